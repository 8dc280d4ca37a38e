//! Extensions and stop hooks: what a service begins before its first request it ends after its last.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::Data;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use spanbox::app::Service;
use spanbox::config::{Loader, Section};
use spanbox::ext::{Extension, Installed};
use spanbox::module::{Boot, BoxError, Module};
use spanbox::testing::TestApp;
use spanbox::web::Check;

type Diary = Arc<Mutex<Vec<String>>>;

fn note(diary: &Diary, what: &str) {
    diary.lock().unwrap().push(what.to_owned());
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct CacheSettings {
    size: u32,
}

impl Section for CacheSettings {
    const NAME: &'static str = "cache";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        if self.size == 13 { vec![("size", "must not be 13".to_owned())] } else { Vec::new() }
    }
}

struct Cache(Diary);

#[derive(Clone)]
struct Cached {
    size: u32,
    diary: Diary,
}

impl Extension for Cache {
    const NAME: &'static str = "cache";
    type Installed = Cached;

    fn settings(loader: &mut Loader) {
        loader.section::<CacheSettings>();
    }

    async fn install(self, boot: Boot) -> Result<Cached, BoxError> {
        note(&self.0, "cache installed");
        let cached = Cached { size: boot.settings::<CacheSettings>()?.size, diary: self.0 };
        boot.provide(cached.clone());
        Ok(cached)
    }
}

impl Installed for Cached {
    fn check(&self) -> Option<Check> {
        let size = self.size;
        Some(Check::new("cache", move || {
            let full = if size == 0 { Err("it has no room".to_owned()) } else { Ok(()) };
            async move { full }.boxed_local()
        }))
    }

    async fn stop(self) {
        note(&self.diary, "cache stopped");
    }
}

struct Mailer(Diary, Option<&'static str>);

struct Mailing(Diary, Option<&'static str>);

impl Extension for Mailer {
    const NAME: &'static str = "mailer";
    const AFTER: &'static [&'static str] = &["cache"];
    type Installed = Mailing;

    async fn install(self, _: Boot) -> Result<Mailing, BoxError> {
        if self.1 == Some("refuses") {
            return Err("no post today".into());
        }
        note(&self.0, "mailer installed");
        Ok(Mailing(self.0, self.1))
    }
}

impl Installed for Mailing {
    async fn stop(self) {
        match self.1 {
            Some("hangs") => std::future::pending().await,
            Some("panics") => panic!("the letter box is stuck"),
            _ => note(&self.0, "mailer stopped"),
        }
    }
}

/// The mailer comes first and needs the cache, which comes second.
fn service(diary: &Diary, mailer: Option<&'static str>) -> Service {
    let (started, stopped) = (Arc::clone(diary), Arc::clone(diary));
    let module = Module::new("room")
        .get("/size", async |cached: Data<Cached>| cached.size.to_string())
        .on_start(async move |_| {
            note(&started, "module started");
            Ok(())
        })
        .on_stop(async move |_| note(&stopped, "module stopped"));
    Service::new("house", "1")
        .extension(Mailer(Arc::clone(diary), mailer))
        .extension(Cache(Arc::clone(diary)))
        .module(module)
}

#[actix::test]
async fn what_is_installed_serves_and_is_stopped_in_reverse() {
    let diary = Diary::default();
    let size = [("APP_CACHE__SIZE", "7")];
    let app = TestApp::start_with(|profile| service(&diary, None).profile(profile), size).await;
    assert_eq!(app.get("/size").await.text(), "7");
    assert!(app.get("/health/ready").await.text().contains(r#""name":"cache","status":"ok""#));
    app.expect_path(&["service.start", "extension.install"]).await;
    let (report, _) = app.stop().await;
    assert_eq!(report.stops_failed, 0);
    let installed = ["cache installed", "mailer installed", "module started"];
    let stopped = ["module stopped", "mailer stopped", "cache stopped"];
    assert_eq!(*diary.lock().unwrap(), [installed, stopped].concat());
}

#[actix::test]
async fn its_check_makes_the_service_not_ready() {
    let diary = Diary::default();
    let app = TestApp::start(|profile| service(&diary, None).profile(profile)).await;
    let ready = app.get("/health/ready").await;
    assert_eq!((ready.status.as_u16(), ready.text().contains("it has no room")), (503, true));
    app.stop().await;
}

#[actix::test]
async fn one_that_can_not_be_installed_stops_the_start_and_those_before_it() {
    let diary = Diary::default();
    let ready = service(&diary, Some("refuses")).environment([
        ("PORT", "0"),
        ("APP_MANAGEMENT__PORT", "0"),
        ("LOG_LEVEL", "off"),
    ]);
    let error = ready.prepare().unwrap().start().await.err().unwrap();
    assert_eq!(error.to_string(), "the extension `mailer` could not be installed: no post today");
    assert_eq!(*diary.lock().unwrap(), ["cache installed", "cache stopped"]);
}

#[actix::test]
async fn one_that_hangs_or_panics_at_the_stop_is_counted_and_the_others_are_stopped() {
    for mailer in ["hangs", "panics"] {
        let diary = Diary::default();
        let grace = [("APP_SERVER__SHUTDOWN_GRACE", "1s")];
        let create = |profile: Option<&str>| service(&diary, Some(mailer)).profile(profile);
        let app = TestApp::start_with(create, grace).await;
        let report = tokio::time::timeout(Duration::from_secs(60), app.stop_unchecked()).await.unwrap();
        assert_eq!(report.stops_failed, 1, "{mailer}");
        assert_eq!(diary.lock().unwrap().last().unwrap(), "cache stopped", "{mailer}");
    }
}

#[test]
fn what_is_wrong_with_extensions_is_told_with_everything_else() {
    let diary = Diary::default();
    let errors = Service::new("house", "1")
        .environment([("PORT", "x"), ("APP_CACHE__SIZE", "13")])
        .extension(Cache(Arc::clone(&diary)))
        .extension(Cache(Arc::clone(&diary)))
        .module(Module::new("Attic"))
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in ["PORT", "cache.size", "extension `cache`: there are two", "module `Attic`"] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
    let alone = Service::new("house", "1")
        .environment([("PORT", "0"), ("APP_MANAGEMENT__PORT", "0")])
        .extension(Mailer(diary, None));
    let errors = alone.prepare().err().unwrap().to_string();
    assert!(errors.contains("it needs the extension `cache`, which the service does not have"), "{errors}");
}
