//! The listener for operators, apart from the public one: metrics to scrape, probes of every process, the log's levels.
//!
//! It is there in a process that serves and in one that only runs jobs. It starts before everything else of the service
//! and ends after it, so that it answers while migrations run and while requests drain. What it does is not traced and
//! not counted among the service's requests.
//!
//! | | |
//! |---|---|
//! | `GET /metrics` | all metrics, as [`Exposition`](crate::telemetry::Exposition) says |
//! | `GET /health/live` | the process answers |
//! | `GET /health/ready` | it takes requests and everything it needs is there, else 503 with what is missing |
//! | `GET /actors` | the actors of the process, as JSON: see below |
//! | `GET /log` | the log's levels |
//! | `PUT /log` | sets them: `info,orders=debug` |
//! | `PUT /log/{target}` | sets one target's: `debug` |
//! | `DELETE /log` | goes back to those that are configured |
//!
//! `GET /actors` answers `{"service": "orders", "pid": 4711, "actors": […]}`, and 503 before the service has begun to start
//! its modules. Of each actor, in the order of their start: `name`, `member` of its pool or null, `type`, `state` (`running`,
//! `restarting`, `stopped`), `mailbox` with its `depth`, `capacity` (null without limit) and `oldest_seconds` (how old the
//! oldest message may be that is in it or in work; null without any), `handled`, `failed`, `in_flight`, `restarts`, and
//! `handling` with `handling_seconds` while a handler runs that is measured. Names and numbers alone: no message, no panic's
//! text.

mod actors;
mod log;
mod routes;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};

use crate::actor::Actors;
use crate::config::ManagementSettings;
use crate::context;
use crate::telemetry::Telemetry;
use crate::web::Health;

/// More than a scraper, a probe and a person have open.
const MAX_CONNECTIONS: usize = 64;

/// How long a client may take to send the head of a request, and then its body.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the routes work on.
#[derive(Clone)]
struct Managed {
    service: &'static str,
    telemetry: Telemetry,
    /// Not there before all checks are known.
    health: Arc<OnceLock<Health>>,
    /// Not there before any can be.
    actors: Arc<OnceLock<Actors>>,
}

/// The listener while it runs.
pub(crate) struct Management {
    handle: ServerHandle,
    address: SocketAddr,
    health: Arc<OnceLock<Health>>,
    actors: Arc<OnceLock<Actors>>,
}

impl Management {
    /// Listens.
    ///
    /// # Errors
    ///
    /// What the system says, with the address, when nobody can.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`.
    pub(crate) fn start(
        settings: &ManagementSettings,
        service: &'static str,
        telemetry: &Telemetry,
    ) -> Result<Self, (String, io::Error)> {
        let (health, actors) = (Arc::default(), Arc::default());
        let managed = Managed {
            service,
            telemetry: telemetry.clone(),
            health: Arc::clone(&health),
            actors: Arc::clone(&actors),
        };
        let server = HttpServer::new(move || {
            let managed = managed.clone();
            // Kept with the application, which lives as long as its worker's thread.
            let thread = Rc::new(managed.telemetry.enter_thread());
            App::new().app_data(thread).app_data(web::Data::new(managed)).configure(routes::configure)
        })
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(PATIENCE)
        .disable_signals();
        // Settings are checked before anything starts.
        let address = settings.address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, settings.port));
        let address = address.map_err(|error| (settings.address.clone(), io::Error::other(error)))?;
        let server = server.bind(address).map_err(|error| (address.to_string(), error))?;
        let address = server.addrs().first().copied().unwrap_or(address);
        let server = server.run();
        let handle = server.handle();
        context::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the management listener ended with an error");
            }
        });
        Ok(Self { handle, address, health, actors })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on readiness is what these checks say; before, the service is not ready.
    pub(crate) fn set_health(&self, health: Health) {
        // A service has its checks once.
        let _ = self.health.set(health);
    }

    /// From now on it tells of these.
    pub(crate) fn set_actors(&self, actors: Actors) {
        // A service has one set of them.
        let _ = self.actors.set(actors);
    }

    /// Ends it, whoever is connected.
    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }
}
