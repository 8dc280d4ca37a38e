//! Payments: what an order comes to is charged once, through a gateway that may fail. No routes: orders use it. The command
//! `gateway` serves one that is simulated.

mod error;
mod gateway;
mod ledger;
mod remote;
mod server;
mod service;
mod settings;
mod simulator;

use spanbox::ext::client::Client;
use spanbox::module::{Boot, BoxError, Module};

pub(crate) use gateway::Verdict;
pub(crate) use server::GatewayCommand;
pub(crate) use service::{Payment, PaymentService};

use gateway::Gateway;
use remote::Remote;
use settings::PaymentSettings;
use simulator::Simulator;

/// The module `payments`.
pub(crate) fn module() -> Module {
    Module::new("payments").settings::<PaymentSettings>()
}

/// The way to charge, for the modules that do.
pub(crate) fn service(boot: &Boot) -> Result<PaymentService, BoxError> {
    let settings = boot.settings::<PaymentSettings>()?;
    let gateway = match settings.url() {
        Some(url) => Gateway::Remote(Remote::new(&*boot.provided::<Client>()?, url)?),
        None => {
            if boot.config().profile().is_production() {
                tracing::warn!(
                    "payments are simulated and move no money: set payments.gateway to the URL of a gateway"
                );
            }
            Gateway::Simulated(Simulator::new(boot.db()?, settings.behaviour()))
        }
    };
    Ok(PaymentService::new(gateway))
}
