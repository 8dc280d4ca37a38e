//! The simulated gateway as a service of its own: `orders gateway`.

use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use clap::Args;
use serde::Serialize;
use spanbox::app::Service;
use spanbox::cli::{Command, Shell};
use spanbox::module::{BoxError, Module};
use spanbox::web::{Json, Problem};

use super::error::GatewayError;
use super::gateway::Verdict;
use super::remote::{ChargeAnswer, ChargeRequest};
use super::simulator::{Behaviour, Simulator};
use crate::MIGRATIONS;
use crate::money::{Amount, Currency, Decimal};

/// The longest idempotency key.
const MAX_KEY: usize = 255;

/// The variables of the process that it sees too: what is said there of telemetry and logs holds for it.
const SHARED: [&str; 5] = ["OTEL_", "SCOUT_", "APP_TELEMETRY__", "APP_LOG__", "LOG_LEVEL"];

#[derive(Args)]
pub(crate) struct GatewayCommand {
    /// The port; 0 takes any free one
    #[arg(long, default_value_t = 9100)]
    port: u16,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// How long a charge takes, half of it before it is stored
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// The share of the charges that fail, 0.0 to 1.0: half of them before they are stored, the other half after it
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    failure_rate: f64,
    /// Decline an amount above this
    #[arg(long)]
    decline_above: Option<Amount>,
    /// The SQLite file of its records
    #[arg(long, default_value = "var/gateway.db")]
    records: PathBuf,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a number from 0.0 to 1.0".to_owned()),
    }
}

impl Command for GatewayCommand {
    const NAME: &'static str = "gateway";
    const ABOUT: &'static str =
        "Serve a simulated payment gateway, which moves no money, until SIGTERM or Ctrl-C";

    fn run(self, _orders: Service, shell: &mut Shell<'_>) -> Result<(), BoxError> {
        shell.serve(self.service(std::env::vars()))
    }
}

impl GatewayCommand {
    fn service(self, variables: impl IntoIterator<Item = (String, String)>) -> Service {
        let shared = |name: &str| SHARED.iter().any(|prefix| name.starts_with(prefix));
        let records = format!("sqlite://{}", self.records.display());
        let behaviour = Behaviour {
            failure_rate: self.failure_rate,
            latency: self.latency,
            decline_above: self.decline_above,
        };
        let charges = Module::new("charges").post("/charges", create).get("/charges/{id}", show).on_start(
            async move |boot| {
                boot.provide(Simulator::new(boot.db()?, behaviour));
                Ok(())
            },
        );
        Service::new("payment-gateway", env!("CARGO_PKG_VERSION"))
            .profile(Some("development"))
            .without_files()
            .environment(variables.into_iter().filter(|(name, _)| shared(name)))
            .with_environment([
                ("PORT", self.port.to_string().as_str()),
                ("APP_SERVER__HOST", &self.host),
                ("APP_MANAGEMENT__ENABLED", "false"),
                ("DATABASE_URL", &records),
            ])
            .migrations(&MIGRATIONS)
            .module(charges)
    }
}

/// A charge as it is shown.
#[derive(Serialize)]
struct Shown {
    id: String,
    status: &'static str,
    amount: Amount,
    currency: String,
}

/// `POST /charges`: the same key and the same amount get the same answer, another amount 422.
async fn create(
    request: HttpRequest,
    simulator: Data<Simulator>,
    Json(charge): Json<ChargeRequest<Decimal, Currency>>,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(&request)?;
    let amount = charge.amount.in_currency(charge.currency);
    let amount = amount.map_err(|error| Problem::invalid("amount", error.to_string()))?;
    match simulator.charge(key, amount, charge.currency.as_str()).await? {
        Verdict::Charged { transaction_id: id } => {
            Ok(HttpResponse::Created().json(ChargeAnswer::Succeeded { id }))
        }
        Verdict::Declined { reason } => Ok(HttpResponse::Ok().json(ChargeAnswer::Declined { reason })),
    }
}

/// `GET /charges/{id}`.
async fn show(simulator: Data<Simulator>, id: Path<String>) -> Result<Json<Shown>, Problem> {
    let id = id.into_inner();
    let Some(charge) = simulator.find(&id).await? else {
        return Err(Problem::not_found("there is no charge of this id"));
    };
    Ok(Json(Shown { id, status: "succeeded", amount: charge.amount(), currency: charge.currency }))
}

fn idempotency_key(request: &HttpRequest) -> Result<&str, Problem> {
    let key = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    match key {
        Some(key) if !key.is_empty() && key.len() <= MAX_KEY => Ok(key),
        Some(_) => Err(Problem::bad_request("the Idempotency-Key must have 1 to 255 characters")),
        None => Err(Problem::bad_request("a charge needs an Idempotency-Key, so that it is made once")),
    }
}

/// A failure that is simulated is answered as a gateway with troubles does: 503 before the charge, 502 after it.
impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Unreachable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "gateway-unavailable").cause(error)
            }
            GatewayError::KeyReused { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused")
                    .detail(error.to_string())
            }
            GatewayError::Records(error) => error.into(),
            error => Self::new(StatusCode::BAD_GATEWAY, "gateway-failed").cause(error),
        }
    }
}
