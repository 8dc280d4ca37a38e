use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use spanbox::ext::client::{Client, ClientError, Response, Upstream};

use super::error::GatewayError;
use super::gateway::{Asked, Verdict};

/// The name of its settings, `[http_client.upstreams.payments]`.
const UPSTREAM: &str = "payments";

/// The most that is kept of what the gateway says.
const MAX_REASON: usize = 200;

/// A payment gateway that speaks HTTP: `POST /charges` with an `Idempotency-Key`.
#[derive(Clone)]
pub(crate) struct Remote {
    upstream: Upstream,
}

/// What is sent to charge, and what is read of that: a decimal, whose meaning depends on the currency.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChargeRequest<A, C> {
    pub(super) amount: A,
    pub(super) currency: C,
    pub(super) payment_method: String,
}

/// What is answered.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum ChargeAnswer {
    /// The charge, by the gateway's name for it.
    Succeeded { id: String },
    /// Why there is none.
    Declined { reason: String },
}

/// A problem document, as far as it is of use.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    detail: String,
}

impl Remote {
    pub(super) fn new(client: &Client, url: &str) -> Result<Self, ClientError> {
        Ok(Self { upstream: client.upstream_at(UPSTREAM, url)? })
    }

    pub(super) async fn charge(&self, asked: Asked<'_>) -> Result<Verdict, GatewayError> {
        let charge = ChargeRequest {
            amount: asked.amount,
            currency: asked.currency,
            payment_method: asked.method.to_owned(),
        };
        let request = self.upstream.post("/charges").template("/charges");
        let sent = request.idempotency_key(asked.key).json(&charge).send().await;
        match sent {
            Ok(response) => read(&response),
            Err(error) if error.is_unsent() => Err(GatewayError::Unreachable(Some(error))),
            Err(error) => Err(GatewayError::NoAnswer(Some(error))),
        }
    }
}

fn read(response: &Response) -> Result<Verdict, GatewayError> {
    match response.status() {
        StatusCode::OK | StatusCode::CREATED => match response.json() {
            Ok(ChargeAnswer::Succeeded { id }) => Ok(Verdict::Charged { transaction_id: id }),
            Ok(ChargeAnswer::Declined { reason }) => Ok(Verdict::Declined { reason: cut(reason) }),
            Err(error) => Err(GatewayError::NoAnswer(Some(error))),
        },
        status @ (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) => {
            let refusal = response.json::<Refusal>().unwrap_or_default();
            Err(GatewayError::Refused { status: status.as_u16(), detail: cut(refusal.detail) })
        }
        status => Err(GatewayError::Unwell { status: status.as_u16() }),
    }
}

fn cut(mut text: String) -> String {
    let end = text.char_indices().nth(MAX_REASON).map_or(text.len(), |(at, _)| at);
    text.truncate(end);
    text
}
