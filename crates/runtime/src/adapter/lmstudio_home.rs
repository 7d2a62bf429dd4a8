//! LM Studio's own files on this machine, for what its HTTP API does not tell: its idle clock, the port of its server,
//! and its command line.
//!
//! Source: published measurements of users and the SDK `@lmstudio/sdk` 2.0.0. Undocumented, so every step may find
//! nothing, and then the documented default holds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// The idle clock where no other was set (LM Studio's documentation, "Idle TTL and Auto-Evict").
pub(crate) const DEFAULT_IDLE_CLOCK: Duration = Duration::from_secs(60 * 60);

/// After how long LM Studio unloads what it loaded by itself; none when a person switched that off.
pub(crate) async fn idle_clock(user_home: Option<&Path>) -> Option<Duration> {
    match read_settings(user_home).await {
        Some(settings) => from_settings(&settings),
        None => Some(DEFAULT_IDLE_CLOCK),
    }
}

/// The port that its server listens on, or will when it is started.
pub(crate) async fn server_port(user_home: Option<&Path>) -> Option<u16> {
    let home = lmstudio_home(user_home?).await;
    let settings = read_json(&home.join(".internal").join("http-server-config.json")).await?;
    u16::try_from(settings.get("port")?.as_u64()?).ok().filter(|port| *port != 0)
}

/// Its command line `lms`, where it has been put in its folder.
pub(crate) async fn command_line(user_home: Option<&Path>) -> Option<PathBuf> {
    let program = lmstudio_home(user_home?).await.join("bin").join(format!("lms{}", std::env::consts::EXE_SUFFIX));
    tokio::fs::metadata(&program).await.is_ok_and(|file| file.is_file()).then_some(program)
}

async fn read_settings(user_home: Option<&Path>) -> Option<Value> {
    read_json(&lmstudio_home(user_home?).await.join("settings.json")).await
}

async fn read_json(file: &Path) -> Option<Value> {
    let text = tokio::fs::read(file).await.ok()?;
    serde_json::from_slice(&text).ok()
}

/// What `~/.lmstudio-home-pointer` names, else `~/.cache/lm-studio`, else `~/.lmstudio`.
async fn lmstudio_home(user_home: &Path) -> PathBuf {
    if let Ok(pointer) = tokio::fs::read_to_string(user_home.join(".lmstudio-home-pointer")).await {
        let named = pointer.trim();
        if !named.is_empty() {
            return PathBuf::from(named);
        }
    }
    let cache = user_home.join(".cache").join("lm-studio");
    if tokio::fs::metadata(&cache).await.is_ok() { cache } else { user_home.join(".lmstudio") }
}

fn from_settings(settings: &Value) -> Option<Duration> {
    let clock = settings.get("developer").and_then(|developer| developer.get("jitModelTTL"));
    let Some(clock) = clock else { return Some(DEFAULT_IDLE_CLOCK) };
    if clock.get("enabled").and_then(Value::as_bool) == Some(false) {
        return None;
    }
    let seconds = clock.get("ttlSeconds").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
    Some(seconds.map_or(DEFAULT_IDLE_CLOCK, Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_the_clock_and_falls_back_on_anything_odd() {
        let read = |clock: Value| from_settings(&json!({"developer": {"jitModelTTL": clock}}));
        assert_eq!(read(json!({"enabled": true, "ttlSeconds": 300})), Some(Duration::from_secs(300)));
        assert_eq!(read(json!({"enabled": false, "ttlSeconds": 300})), None);
        assert_eq!(read(json!({"ttlSeconds": -1})), Some(DEFAULT_IDLE_CLOCK));
        assert_eq!(read(json!("soon")), Some(DEFAULT_IDLE_CLOCK));
        assert_eq!(from_settings(&json!([1])), Some(DEFAULT_IDLE_CLOCK));
    }

    #[tokio::test]
    async fn follows_the_pointer() {
        let folder = std::env::temp_dir().join(format!("pilotlight-runtime-{}", std::process::id()));
        let (user, home) = (folder.join("user"), folder.join("elsewhere"));
        std::fs::create_dir_all(&user).unwrap();
        std::fs::create_dir_all(&home).unwrap();
        assert_eq!(idle_clock(Some(&user)).await, Some(DEFAULT_IDLE_CLOCK));
        std::fs::write(user.join(".lmstudio-home-pointer"), format!("{}\n", home.display())).unwrap();
        std::fs::write(home.join("settings.json"), r#"{"developer":{"jitModelTTL":{"enabled":true,"ttlSeconds":60}}}"#)
            .unwrap();
        assert_eq!(idle_clock(Some(&user)).await, Some(Duration::from_secs(60)));
        assert_eq!((server_port(Some(&user)).await, command_line(Some(&user)).await), (None, None));
        std::fs::create_dir_all(home.join(".internal")).unwrap();
        std::fs::write(home.join(".internal/http-server-config.json"), r#"{"port":4321,"autoStartOnLaunch":true}"#)
            .unwrap();
        assert_eq!(server_port(Some(&user)).await, Some(4321));
        let lms = home.join("bin").join(format!("lms{}", std::env::consts::EXE_SUFFIX));
        std::fs::create_dir_all(home.join("bin")).unwrap();
        std::fs::write(&lms, "").unwrap();
        assert_eq!(command_line(Some(&user)).await, Some(lms));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
