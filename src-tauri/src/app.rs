//! The program from start to end: one instance, the engine, the tray, the window, and an orderly way out.

use std::process::ExitCode;
use std::time::Duration;

use pilotlight_config::home::Home;
use pilotlight_engine::StartError;
use tauri::{App, AppHandle, Manager, RunEvent};

use crate::panel::PanelLook;
use crate::{Options, actions, commands, engine_link, logging, notifications, tray, window};

/// Threads of the runtime. The work is waiting, not computing: two keep a slow one from holding up the other.
const WORKERS: usize = 2;
/// A panel starts at log-in too, and may come after us.
const PANEL_PATIENCE: Duration = Duration::from_secs(10);

/// Whether a panel shows our icon. Without one, the window is all there is of the program.
struct HasTray(std::sync::atomic::AtomicBool);

/// Runs the program until it is told to quit.
#[must_use]
pub fn run(options: Options) -> ExitCode {
    let environment = engine_link::environment();
    let home = Home::from(&environment);
    let _log = logging::start(&home.logs());
    if let Err(why) = display() {
        eprintln!("pilotlight-desktop: {why}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pilotlight-desktop: no threads could be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    tauri::async_runtime::set(runtime.handle().clone());

    let window_file = home.folder().join("window.json").to_string_lossy().into_owned();
    let built = tauri::Builder::default()
        // First, so that a second start ends before anything of it begins.
        .plugin(
            tauri_plugin_single_instance::Builder::new()
                .callback(|app, arguments, _folder| {
                    if !arguments.iter().any(|argument| argument == "--hidden") {
                        window::open(app);
                    }
                })
                .dbus_id(bus_name(&home))
                .build(),
        )
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_clipboard_manager::init())
        .plugin(
            tauri_plugin_window_state::Builder::new().with_filename(window_file).with_state_flags(window::KEPT).build(),
        )
        .invoke_handler(tauri::generate_handler![
            commands::state,
            commands::use_model,
            commands::load_model,
            commands::unload_model,
            commands::endpoint_to_clipboard,
        ])
        .manage(home)
        .manage(HasTray(false.into()))
        .setup(move |app| {
            start(app, &options, environment);
            Ok(())
        })
        .build(tauri::generate_context!());
    let app = match built {
        Ok(app) => app,
        Err(error) => {
            eprintln!("pilotlight-desktop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = app.run_return(|app, event| {
        // The last window closed: the tray stays. Without a tray nothing would be left to see, so that is the end.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
            if !app.state::<HasTray>().0.load(std::sync::atomic::Ordering::Relaxed) {
                let app = app.clone();
                tauri::async_runtime::spawn(async move { actions::quit(&app).await });
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Starts the engine and everything that shows it.
fn start(app: &App, options: &Options, environment: pilotlight_config::home::Environment) {
    let app = app.handle();
    let engine = match tauri::async_runtime::block_on(engine_link::start(options, environment)) {
        Ok(engine) => engine,
        Err(error) => return give_up(app, &error),
    };
    app.manage(engine.clone());
    let look = PanelLook::find(options.panel);
    app.manage(look.clone());

    let drawn = tray::start(app, look.watch(), pictures());
    if let Err(error) = &drawn {
        tracing::warn!(%error, "there is no tray icon");
    }
    tauri::async_runtime::spawn(notifications::follow(app.clone(), engine.occurrences()));
    tauri::async_runtime::spawn(commands::follow(app.clone(), engine.state()));
    tauri::async_runtime::spawn(quit_on_signal(app.clone()));
    if !options.hidden {
        window::open(app);
    }
    tauri::async_runtime::spawn(stay_visible(app.clone(), drawn.is_ok()));
}

/// Opens the window if no panel has taken the icon after a while, and notes whether one has.
async fn stay_visible(app: AppHandle, drawn: bool) {
    let has_tray = drawn && tray_host().await;
    app.state::<HasTray>().0.store(has_tray, std::sync::atomic::Ordering::Relaxed);
    if !has_tray {
        tracing::warn!("no panel shows tray icons: closing the window will stop the program");
        window::open(&app);
    }
}

#[cfg(target_os = "linux")]
async fn tray_host() -> bool {
    let deadline = tokio::time::Instant::now() + PANEL_PATIENCE;
    loop {
        if tokio::task::spawn_blocking(crate::freedesktop::has_tray_host).await.unwrap_or(false) {
            return true;
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[cfg(not(target_os = "linux"))]
async fn tray_host() -> bool {
    true
}

/// Says why there is no engine, on standard error and as a notification, and ends the program.
fn give_up(app: &AppHandle, error: &StartError) {
    let (title, body) = match error {
        StartError::AlreadyRunning { pid, endpoint } => (
            "Pilot Light is already running",
            format!("Without a tray, as process {pid} at {endpoint}: `pilotlight status` shows it. Stop it first."),
        ),
        other => ("Pilot Light could not start", with_causes(other)),
    };
    tracing::error!(error = %with_causes(error), "could not start");
    eprintln!("pilotlight-desktop: {title}: {body}");
    notifications::show(app, title, &body);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        // The notification is sent by a task of its own, and nothing tells when it has gone.
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.exit(1);
    });
}

fn with_causes(error: &StartError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    text
}

/// Ctrl-C, SIGTERM, and a session that ends.
async fn quit_on_signal(app: AppHandle) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        let (Ok(mut terminate), Ok(mut hangup)) = signals else { return };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    actions::quit(&app).await;
}

/// Whether there is a screen. The toolkit would end the program with a message that helps nobody.
fn display() -> Result<(), &'static str> {
    let there = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !there("DISPLAY") && !there("WAYLAND_DISPLAY") {
        return Err(
            "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set). `pilotlight serve` runs the same engine without one.",
        );
    }
    Ok(())
}

/// Where the tray's pictures are put for the panel to read: a folder for each process, or two would overwrite each
/// other's.
fn pictures() -> std::path::PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, Into::into);
    runtime.join("pilotlight").join(format!("tray-{}", std::process::id()))
}

/// The name on the session bus that one instance owns. Each folder of settings has an instance of its own.
fn bus_name(home: &Home) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    home.folder().hash(&mut hasher);
    format!("dev.pilotlight.desktop.home{:016x}", hasher.finish())
}
