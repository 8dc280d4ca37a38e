use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpServer, web};

use super::BootError;
use super::error::holder;
use super::running::requests_share;
use super::unread;
use crate::actor::Actors;
use crate::config::{Config, ServerSettings};
use crate::context;
use crate::data::Db;
use crate::module::{Given, RouteTable, configure};
use crate::telemetry::Telemetry;
use crate::web::{Edge, Limits, Proxies, WebSignals, path_config};

/// What every worker gets a share of.
pub(super) struct Listener {
    pub(super) table: RouteTable,
    pub(super) signals: Arc<WebSignals>,
    pub(super) limits: Arc<Limits>,
    pub(super) edge: Arc<Edge>,
    pub(super) proxies: Proxies,
    pub(super) telemetry: Telemetry,
    pub(super) config: Config,
    pub(super) db: Option<Db>,
    pub(super) actors: Actors,
    pub(super) given: Given,
}

/// A server that takes requests.
pub(super) struct Listening {
    pub(super) handle: ServerHandle,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) secure: bool,
}

impl Listener {
    pub(super) fn listen(
        self,
        settings: &ServerSettings,
        certificate: Option<rustls::ServerConfig>,
    ) -> Result<Listening, BootError> {
        let address = if settings.host.contains(':') {
            format!("[{}]:{}", settings.host.trim_matches(['[', ']']), settings.port)
        } else {
            format!("{}:{}", settings.host, settings.port)
        };
        let workers = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            workers => workers,
        };
        let shared = Arc::new(self);
        let server = HttpServer::new(move || {
            let shared = Arc::clone(&shared);
            // Kept with the application, which lives as long as its worker's thread.
            let thread = Rc::new(shared.telemetry.enter_thread());
            App::new().app_data(thread).configure(move |config| shared.configure(config))
        })
        .workers(workers)
        .backlog(settings.backlog)
        .max_connections(settings.max_connections)
        .max_connection_rate(settings.max_connection_rate)
        .keep_alive(KeepAlive::from(settings.keep_alive))
        .client_request_timeout(settings.head_timeout)
        .on_connect(unread::on_connect(settings.write_timeout))
        .h1_allow_half_closed(settings.allow_half_closed)
        .shutdown_timeout(requests_share(settings.shutdown_grace).as_secs().max(1))
        .disable_signals();
        let secure = certificate.is_some();
        let bound = match certificate {
            Some(certificate) => server.bind_rustls_0_23(&address, certificate),
            None => server.bind(&address),
        };
        let server = bound.map_err(|source| {
            let holder = holder(&source, &address);
            BootError::Listen { address, source, holder }
        })?;
        let addresses = server.addrs();
        let server = server.run();
        let handle = server.handle();
        context::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the listener ended with an error");
            }
        });
        Ok(Listening { handle, addresses, secure })
    }

    fn configure(&self, config: &mut web::ServiceConfig) {
        config.app_data(Limits::clone(&self.limits));
        config.app_data(self.config.clone());
        config.app_data(self.actors.clone());
        config.app_data(self.proxies.clone());
        config.app_data(Arc::clone(&self.signals));
        config.app_data(path_config());
        config.app_data(web::PayloadConfig::new(self.limits.max_body_bytes));
        if let Some(db) = &self.db {
            config.app_data(db.clone());
        }
        for provide in &self.given.values {
            provide(config);
        }
        configure(&self.table, &self.signals, &self.limits, &self.edge, &self.given, config);
    }
}
