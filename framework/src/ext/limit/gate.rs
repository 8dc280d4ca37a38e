//! What is asked of each request, and said on each answer.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};

use super::client::{Client, Numbers};
use super::rule::{Rule, Verdict};
use super::settings::LimitPer;
use super::shared::Shared;
use super::signals::LimitSignals;
use crate::web::{Problem, RouteMeta};

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The rules of a service.
pub(super) struct Gate {
    pub(super) rules: Vec<Rule>,
    pub(super) numbers: Numbers,
    pub(super) shared: Option<Shared>,
    pub(super) signals: LimitSignals,
}

/// What the rules said to a request, each with its place.
struct Said(Vec<(usize, Verdict)>);

impl Gate {
    /// Counts a request by the rules of one kind.
    pub(super) async fn check(&self, per: LimitPer, request: &HttpRequest) -> Result<(), Problem> {
        let route = request.app_data::<Arc<RouteMeta>>().map(|route| &**route);
        let rules = self.rules.iter().enumerate();
        let places: Vec<usize> = rules
            .filter(|(_, rule)| rule.is_for(per, request.method(), route))
            .map(|(place, _)| place)
            .collect();
        if places.is_empty() {
            return Ok(());
        }
        let Some(client) = Client::of(request, per) else { return Ok(()) };
        let verdicts = self.ask(&places, client).await;
        let refusing = places.iter().zip(&verdicts).filter(|(_, verdict)| !verdict.allowed);
        let longest =
            refusing.max_by_key(|(_, verdict)| verdict.wait).map(|(place, verdict)| (*place, *verdict));
        let said = places.into_iter().zip(verdicts);
        {
            let mut extensions = request.extensions_mut();
            match extensions.get_mut::<Said>() {
                Some(Said(before)) => before.extend(said),
                None => drop(extensions.insert(Said(said.collect()))),
            }
        }
        longest.map_or(Ok(()), |(place, verdict)| Err(self.refuse(&self.rules[place], verdict)))
    }

    async fn ask(&self, places: &[usize], client: Client) -> Vec<Verdict> {
        if let Some(shared) = &self.shared {
            let asked: Vec<_> = places.iter().map(|place| (&self.rules[*place], client.clone())).collect();
            match shared.check(&asked).await {
                // A key of ours that holds something else is no reason to let everybody in.
                Some(verdicts) if verdicts.len() == asked.len() => return verdicts,
                _ => self.signals.counted_alone(),
            }
        }
        let client = self.numbers.of(&client);
        places.iter().map(|place| self.rules[*place].local.check(client)).collect()
    }

    fn refuse(&self, rule: &Rule, verdict: Verdict) -> Problem {
        self.signals.refused(&rule.name);
        let seconds = whole(verdict.wait).max(1);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests")
            .detail(format!("these are too many requests (`{}`): try again in {seconds} s", rule.name))
            .header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Says on an answer what is left (draft-ietf-httpapi-ratelimit-headers-10).
    pub(super) fn announce(&self, request: &HttpRequest, response: &mut HttpResponse) {
        let extensions = request.extensions();
        let Some(Said(said)) = extensions.get::<Said>() else { return };
        let (mut limits, mut policies) = (String::new(), String::new());
        for (place, verdict) in said {
            let rule = &self.rules[*place];
            if !limits.is_empty() {
                limits.push_str(", ");
                policies.push_str(", ");
            }
            let until = if verdict.allowed { verdict.reset } else { verdict.wait };
            limits.push_str(&format!("\"{}\";r={};t={}", rule.name, verdict.remaining, whole(until)));
            policies.push_str(&rule.policy);
        }
        if let (Ok(limits), Ok(policies)) = (HeaderValue::try_from(limits), HeaderValue::try_from(policies)) {
            response.headers_mut().insert(RATE_LIMIT.clone(), limits);
            response.headers_mut().insert(RATE_LIMIT_POLICY.clone(), policies);
        }
    }
}

/// Whole seconds, rounded up.
fn whole(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Around everything else that is done for a request.
pub(super) async fn by_address(
    gate: Arc<Gate>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match gate.check(LimitPer::Address, request.request()).await {
        Ok(()) => next.call(request).await,
        Err(problem) => Ok(request.into_response(HttpResponse::from_error(problem))),
    }
}
