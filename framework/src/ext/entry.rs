use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::{Extension, Installed};
use crate::config::Loader;
use crate::module::{Boot, BoxError, OnStop};
use crate::telemetry;
use crate::web::Check;

type Install = Box<dyn FnOnce(Boot) -> LocalBoxFuture<'static, Result<Live, BoxError>> + Send>;

/// An extension of a service, whatever its type.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(super) after: &'static [&'static str],
    pub(crate) surrounds: &'static [&'static str],
    settings: fn(&mut Loader),
    install: Install,
}

/// An extension that was installed, whatever its type.
pub(crate) struct Live {
    pub(crate) check: Option<Check>,
    pub(crate) stop: OnStop,
}

impl Entry {
    pub(crate) fn new<E: Extension>(extension: E) -> Self {
        let install: Install = Box::new(move |boot| {
            let work = async move {
                let installed = extension.install(boot).await?;
                let check = installed.check();
                Ok(Live { check, stop: Box::new(move || installed.stop().boxed_local()) })
            };
            telemetry::span("extension.install").attribute("extension.name", E::NAME).run(work).boxed_local()
        });
        Self { name: E::NAME, after: E::AFTER, surrounds: E::SURROUNDS, settings: E::settings, install }
    }

    pub(crate) fn register_settings(&self, loader: &mut Loader) {
        (self.settings)(loader);
    }

    pub(crate) async fn install(self, boot: Boot) -> Result<Live, BoxError> {
        (self.install)(boot).await
    }
}
