//! Payments: what an order comes to is charged once, through a gateway that may fail. No routes so far: orders use it.

mod error;
mod gateway;
mod ledger;
mod service;
mod settings;

use spanbox::module::{Boot, BoxError, Module};

pub(crate) use gateway::Verdict;
pub(crate) use service::{Payment, PaymentService};

use gateway::Gateway;
use settings::PaymentSettings;

/// The module `payments`.
pub(crate) fn module() -> Module {
    Module::new("payments").settings::<PaymentSettings>()
}

/// The way to charge, for the modules that do.
pub(crate) fn service(boot: &Boot) -> Result<PaymentService, BoxError> {
    let settings = boot.settings::<PaymentSettings>()?;
    Ok(PaymentService::new(Gateway::new(boot.db()?, &settings)))
}
