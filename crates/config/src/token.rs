//! The token that clients are asked for: made once, kept in a file that only its owner may read. I/O happens here.

use std::io;
use std::path::Path;

use pilotlight_wire::Secret;

use crate::home::Home;
use crate::save;

/// Reads the token, or makes one of 32 random bytes at the first run. An existing file is never overwritten, and is
/// closed to others if it was open to them.
///
/// # Errors
/// When the file cannot be read or made, or holds no token.
pub fn read_or_make(home: &Home) -> io::Result<Secret> {
    let path = home.token_file();
    if let Some(token) = read(&path)? {
        return Ok(token);
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    // Of two programs that start at once, one makes it and both read it.
    save::create(&path, &format!("pl-{}\n", hex::encode(bytes)))?;
    read(&path)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{} is gone again", path.display())))
}

fn read(path: &Path) -> io::Result<Option<Secret>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    };
    close_to_others(path)?;
    let token = text.trim();
    // What a header can carry, and nothing that could be a mistake.
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        let message = format!("{} holds no token: delete it, and a new one is made at the next start", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Some(Secret::new(token)))
}

#[cfg(unix)]
fn close_to_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = std::fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the token was readable by others; now it is not");
        permissions.set_mode(0o600);
        std::fs::set_permissions(path, permissions)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}
