//! Keeps the proxy listening where the settings say. A changed `listen` takes effect at once: the new address is bound
//! first, and the old one then serves what it has under way to the end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use pilotlight_config::settings_store::SettingsState;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::running::{Claim, Running};

/// What the listener serves, and where it says that it does.
pub(crate) struct Listener {
    pub(crate) router: Router,
    pub(crate) endpoint: watch::Sender<Option<String>>,
    pub(crate) claim: Arc<Claim>,
    pub(crate) frontend: &'static str,
    pub(crate) settings_file: PathBuf,
    /// True when the address was given on the command line, which outranks the settings.
    pub(crate) fixed: bool,
}

impl Listener {
    /// Serves until `stop`, then lets what is under way end.
    pub(crate) async fn run(
        self,
        mut socket: TcpListener,
        mut asked: SocketAddr,
        mut settings: watch::Receiver<Arc<SettingsState>>,
        stop: CancellationToken,
    ) {
        let mut servers = JoinSet::new();
        loop {
            let until = stop.child_token();
            self.announce(&socket);
            servers.spawn(pilotlight_gateway::serve(socket, self.router.clone(), until.clone()));
            socket = loop {
                if stop.run_until_cancelled(settings.changed()).await.is_none_or(|changed| changed.is_err()) {
                    stop.cancelled().await;
                    self.endpoint.send_replace(None);
                    while servers.join_next().await.is_some() {}
                    return;
                }
                let wanted = settings.borrow_and_update().settings.listen;
                if self.fixed || wanted == asked {
                    continue;
                }
                match TcpListener::bind(wanted).await {
                    Ok(bound) => {
                        asked = wanted;
                        break bound;
                    }
                    Err(error) => tracing::error!(%wanted, %error, "`listen` cannot be changed: the old address stays"),
                }
            };
            until.cancel();
        }
    }

    fn announce(&self, socket: &TcpListener) {
        let announced = socket.local_addr().and_then(|address| {
            let base = base(address);
            self.endpoint.send_replace(Some(format!("{base}/v1")));
            self.claim.announce(&Running {
                pid: std::process::id(),
                address: base,
                frontend: self.frontend.to_owned(),
                settings: self.settings_file.clone(),
                started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * 1_000),
            })
        });
        if let Err(error) = announced {
            tracing::error!(%error, "where the engine listens could not be written down: `pilotlight status` will not find it");
        }
    }
}

/// The address as this machine's programs call it: a listener on every interface is called on loopback.
fn base(address: SocketAddr) -> String {
    let port = address.port();
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("http://127.0.0.1:{port}"),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("http://[::1]:{port}"),
        other => format!("http://{other}"),
    }
}
