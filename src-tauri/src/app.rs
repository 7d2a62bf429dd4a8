//! The program from start to end: one instance, the engine, the tray, the window, and an orderly way out.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pilotlight_config::{Environment, Home};
use pilotlight_engine::StartError;
use tauri::{App, AppHandle, Manager};

use crate::{Options, actions, context, engine_link, logging, notifications, panel, tray, window, window_process};

/// Threads of the runtime. The work is waiting, not computing, and a request that is handed from one worker to another
/// waits for it. What takes long has threads of its own.
const WORKERS: usize = 1;
/// A panel starts at log-in too, and may come after us.
const PANEL_PATIENCE: Duration = Duration::from_secs(10);

/// Whether a panel shows our icon. Without one, the window is all there is of the program.
struct HasTray(AtomicBool);

/// Runs the program until it is told to quit.
#[must_use]
pub fn run(options: Options) -> ExitCode {
    if options.window {
        return window_process::run();
    }
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
        .manage(HasTray(AtomicBool::new(true)))
        .setup(move |app| {
            // No icon in the Dock for the tray; the window, a process of its own, has one while it is open.
            #[cfg(target_os = "macos")]
            app.set_activation_policy(tauri::ActivationPolicy::Accessory);
            start(app, &options, environment);
            Ok(())
        })
        .build(context());
    let app = match built {
        Ok(app) => app,
        Err(error) => {
            eprintln!("pilotlight-desktop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = app.run_return(|_, _| {});
    let _ = std::fs::remove_dir_all(pictures());
    runtime.shutdown_timeout(Duration::from_secs(1));
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Starts the engine and everything that shows it.
fn start(app: &App, options: &Options, environment: Environment) {
    let app = app.handle();
    let pictures = pictures();
    notifications::start(app, &pictures);
    let engine = match tauri::async_runtime::block_on(engine_link::start(options, environment)) {
        Ok(engine) => engine,
        Err(error) => return give_up(app, &error),
    };
    // Heard from the first moment on: a mistake in the configuration is said at the start.
    tauri::async_runtime::spawn(notifications::follow(app.clone(), engine.occurrences()));
    app.manage(engine);
    let drawn = tray::start(app, panel::watch(options.panel), &pictures);
    if let Err(error) = &drawn {
        tracing::warn!(%error, "there is no tray icon");
    }
    let gone = app.clone();
    window::start(app, move || window_closed(&gone));
    tauri::async_runtime::spawn(quit_on_signal(app.clone()));
    if !options.hidden {
        window::open(app);
    }
    tauri::async_runtime::spawn(stay_visible(app.clone(), drawn.is_ok()));
}

/// The tray stays when the window is closed. Where there is none, nothing would be left to see, so that is the end.
fn window_closed(app: &AppHandle) {
    if !app.state::<HasTray>().0.load(Ordering::Relaxed) {
        let app = app.clone();
        tauri::async_runtime::spawn(async move { actions::quit(&app).await });
    }
}

/// Opens the window if no panel has taken the icon after a while, and notes whether one has.
async fn stay_visible(app: AppHandle, drawn: bool) {
    let has_tray = drawn && tray_host().await;
    app.state::<HasTray>().0.store(has_tray, Ordering::Relaxed);
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

/// Where pictures are put for the desktop to read, those of the tray and that of notifications: a folder for each
/// process, or two would overwrite each other's.
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
