//! Starting and stopping: which actor is made when, and what each is given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_config::settings_store::SettingsStore;
use pilotlight_config::store::ConfigStore;
use pilotlight_config::{ConfigLocation, Home};
use pilotlight_gateway::{Gateway, Routes};
use pilotlight_ledger::Ledger;
use pilotlight_runtime::{Keeper, KeeperOptions};
use pilotlight_wire::Secret;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::{open_to_others, token};
use crate::commands::Commands;
use crate::compose::compose;
use crate::connect::Connections;
use crate::editor::Editor;
use crate::error::StartError;
use crate::listener::Listener;
use crate::local_models::KeptModels;
use crate::notice::Notice;
use crate::notices::{NoticeBoard, NoticeLog};
use crate::page_commands::Pages;
use crate::recompose::{Inputs, Outputs, recompose};
use crate::reducer::{Reducer, Sources};
use crate::retention::{forget_old, keep_forgetting};
use crate::running::{Claim, Refused};
use crate::settings_page::SettingsPage;
use crate::sleep::tell_of_sleep;
use crate::state::AppState;
use crate::surroundings::follow;
use crate::{EngineOptions, control};

/// How many notices a slow frontend may lag behind before it misses some.
const NOTICES: usize = 64;

/// How long the first requests wait for what the local servers tell of themselves.
const FIRST_LOOK: Duration = Duration::from_millis(500);

/// The engine's parts.
pub(crate) struct Inner {
    pub(crate) commands: Commands,
    pub(crate) pages: Pages,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) token: watch::Receiver<Option<Secret>>,
    pub(crate) home: Home,
    stop: CancellationToken,
    /// The listener ends first, then the reducer, which records what the listener still had under way.
    listening: Mutex<JoinSet<()>>,
    reducing: Mutex<JoinSet<()>>,
    reducer_stop: CancellationToken,
    claim: Mutex<Option<Arc<Claim>>>,
}

impl Inner {
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        while self.listening.lock().await.join_next().await.is_some() {}
        self.reducer_stop.cancel();
        while self.reducing.lock().await.join_next().await.is_some() {}
        drop(self.claim.lock().await.take());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.reducer_stop.cancel();
    }
}

pub(crate) async fn start(options: EngineOptions) -> Result<Inner, StartError> {
    let home = Home::from(&options.environment);
    std::fs::create_dir_all(home.folder()).map_err(opening(&format!("the folder {}", home.folder().display())))?;
    let claim = Arc::new(claim(&home)?);

    let settings_file = options.settings.clone().unwrap_or_else(|| home.settings_file());
    let settings = SettingsStore::open(settings_file.clone(), options.environment.clone())
        .map_err(opening(&format!("the settings {}", settings_file.display())))?;
    let location = ConfigLocation::find(&options.environment, &home, options.config.as_deref());
    let config_file = location.path.display().to_string();
    let config = ConfigStore::open(location, options.environment.clone())
        .map_err(opening(&format!("the configuration {config_file}")))?;

    let now = settings.watch().borrow().settings.clone();
    let listen = options.listen.unwrap_or(now.listen);
    if open_to_others(listen, &now) {
        return Err(StartError::OpenToOthers { address: listen, settings: settings_file.display().to_string() });
    }
    let first_token = token(&now, &home).map_err(opening("the token"))?;
    let socket = bind(listen, &settings_file).await?;

    let stop = CancellationToken::new();
    let (token_out, token_now) = watch::channel(first_token.clone());
    let first = compose(&config.watch().borrow().in_force, &now, first_token, chrono::Utc::now());
    let (routes_out, routes) = watch::channel(first.routes.clone());
    let watched: Vec<String> = first.plan.providers.iter().map(|provider| provider.id.clone()).collect();
    let (plan_out, plan) = watch::channel(first.plan.clone());
    let (composition_out, composition) = watch::channel(first);
    let ledger = Ledger::open(&home.ledger_file()).map_err(opening("the ledger"))?;
    forget_old(&ledger, now.ledger.keep_days).await;
    let keeper = Keeper::spawn_with(
        plan,
        KeeperOptions { load_times: Some(home.folder().join("load-times.json")), ..KeeperOptions::default() },
    );
    tokio::spawn(recompose(
        Inputs { config: config.watch(), settings: settings.watch(), keeper: keeper.state(), home: home.clone() },
        Outputs { token: token_out, routes: routes_out, plan: plan_out, composition: composition_out },
        stop.clone(),
    ));
    tokio::spawn(follow(config.clone(), keeper.state(), settings.watch(), stop.clone()));
    let (events_out, events) = mpsc::unbounded_channel();
    let local = Arc::new(KeptModels::follow(keeper.clone(), stop.clone()));
    let gateway = Gateway::new(routes.clone(), local, events_out);
    let cooldowns = gateway.cooldowns();

    let (endpoint_out, endpoint) = watch::channel(None);
    let (states_out, states) = watch::channel(Arc::new(AppState::empty()));
    let (notices, _) = broadcast::channel(NOTICES);
    let connections = Connections {
        location: config.location().clone(),
        environment: Arc::new(options.environment.clone()),
        settings: settings.watch(),
        states: states.clone(),
    };
    let editor = Editor::new(config.clone(), options.environment.clone(), settings.watch(), states.clone());
    let notice_log = NoticeLog::default();
    tokio::spawn(follow_routes(gateway.clone(), routes.clone(), stop.clone()));
    tokio::spawn(tell_of_sleep(gateway.clone(), notice_log.clone(), stop.clone()));
    let commands = Commands {
        config: config.clone(),
        keeper: keeper.clone(),
        gateway: gateway.clone(),
        notices: notice_log.clone(),
        states,
        environment: options.environment.clone(),
    };
    let page = SettingsPage { store: settings.clone(), states: commands.watch() };
    let asked = Pages { editor, connections, settings: page };
    let own = control::routes(commands.clone()).merge(control::page_routes(&asked));
    let own = pilotlight_gateway::guard(own, routes.clone());
    let mut router = pilotlight_gateway::router(gateway).merge(own);
    if let Some(pages) = options.pages {
        router = router.merge(pilotlight_gateway::guard_pages(pages, routes));
    }

    // Else the first requests would be sent past the keeper, and a server that loads on request would load what the
    // keeper is about to load.
    let mut seen = keeper.state();
    let known = seen.wait_for(|state| {
        watched.iter().all(|id| state.runtimes.get(id).is_some_and(pilotlight_runtime::RuntimeStatus::is_known))
    });
    // One that hangs is not waited for.
    let _ = tokio::time::timeout(FIRST_LOOK, known).await;

    let mut listening = JoinSet::new();
    let listener = Listener {
        router,
        endpoint: endpoint_out,
        claim: claim.clone(),
        frontend: options.frontend,
        settings_file,
        fixed: options.listen.is_some(),
    };
    listening.spawn(listener.run(socket, listen, settings.watch(), stop.clone()));

    let sources = Sources {
        config: config.watch(),
        settings: settings.watch(),
        composition,
        keeper: keeper.state(),
        cooldowns,
        occurrences: keeper.occurrences(),
        events,
        endpoint,
    };
    let board = NoticeBoard::new(notices.clone(), notice_log, settings.watch());
    let reducer_stop = CancellationToken::new();
    let mut reducing = JoinSet::new();
    reducing.spawn(keep_forgetting(ledger.clone(), settings.watch(), reducer_stop.clone()));
    let mut wait_for_first = commands.watch();
    reducing.spawn(Reducer::new(sources, ledger, board, states_out).await.run(reducer_stop.clone()));
    // A frontend must never see a state from before the listener was up.
    let _ = wait_for_first.wait_for(|state| state.endpoint.is_some()).await;

    Ok(Inner {
        pages: asked,
        commands,
        notices,
        token: token_now,
        home,
        stop,
        listening: Mutex::new(listening),
        reducing: Mutex::new(reducing),
        reducer_stop,
        claim: Mutex::new(Some(claim)),
    })
}

/// Lets the gateway see each change of the routes when it happens: a cool-down that is over by it must not show until a
/// request comes.
async fn follow_routes(gateway: Gateway, mut routes: watch::Receiver<Arc<Routes>>, stop: CancellationToken) {
    while let Some(Ok(())) = stop.run_until_cancelled(routes.changed()).await {
        gateway.follow_routes();
    }
}

fn claim(home: &Home) -> Result<Claim, StartError> {
    let running_file = home.running_file();
    Claim::take(&running_file).map_err(|refused| match refused {
        Refused::Failed(source) => opening("the lock of the running engine")(source),
        Refused::Held => match crate::running::find(&running_file) {
            Ok(Some(running)) => {
                StartError::AlreadyRunning { pid: running.pid, endpoint: format!("{}/v1", running.address) }
            }
            // It holds the lock and has not announced itself: it is just starting, or stopping.
            Ok(None) | Err(_) => StartError::AlreadyRunning { pid: 0, endpoint: "starting".to_owned() },
        },
    })
}

async fn bind(listen: SocketAddr, settings_file: &std::path::Path) -> Result<TcpListener, StartError> {
    TcpListener::bind(listen).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            StartError::AddressInUse { address: listen, settings: settings_file.display().to_string() }
        } else {
            opening(&format!("a listener on {listen}"))(error)
        }
    })
}

/// An error of opening `what`.
fn opening<E: std::error::Error + Send + Sync + 'static>(what: &str) -> impl Fn(E) -> StartError {
    let what = what.to_owned();
    move |source| StartError::Open { what: what.clone(), source: Box::new(source) }
}
