//! Schedules of a service: what is refused before it starts, and that it keeps them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use spanbox::app::Service;
use spanbox::jobs::{self, Job, JobContext, JobError, Schedule};
use spanbox::module::Module;
use spanbox::testing::TestApp;

#[derive(Serialize, Deserialize)]
struct Sweep {
    until: DateTime<Utc>,
}

impl Job for Sweep {
    const NAME: &'static str = "sweep";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

fn sweeping(expression: &str) -> Schedule {
    Schedule::new(expression, |until| Sweep { until })
}

fn service(profile: Option<&str>) -> Service {
    Service::new("swept", "1.0.0").profile(profile).migrations(&jobs::MIGRATIONS)
}

#[test]
fn everything_that_is_wrong_with_schedules_is_told_together() {
    let errors = service(None)
        .environment([("PORT", "x"), ("LOG_LEVEL", "off")])
        .module(
            Module::new("floor")
                .schedule(sweeping("61 * * * *"))
                .schedule(sweeping("0 0 30 2 *").name("never"))
                .schedule(sweeping("@daily").name("far").timezone("Mars/Olympus_Mons"))
                .module(Module::new("attic").schedule(sweeping("@daily").name("far"))),
        )
        .module(Module::new("cellar").schedule(sweeping("@daily").name("In The Cellar")))
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in [
        "PORT",
        "module `floor`: the schedule `sweep`: \"61 * * * *\" is no cron expression: ",
        "module `floor`: the schedule `sweep`: no module has its job `sweep`; add it with Module::job",
        "module `floor`: the schedule `never`: \"0 0 30 2 *\" never comes",
        "module `floor`: the schedule `far`: there is no time zone \"Mars/Olympus_Mons\"",
        "module `attic`: the schedule `far` is there twice, the other one in module `floor`",
        "module `cellar`: the schedule name \"In The Cellar\" is none",
    ] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
}

#[actix::test]
async fn a_service_runs_the_job_of_a_tick_in_the_ticks_trace() {
    let swept = |profile: Option<&str>| {
        service(profile).module(
            Module::new("floor")
                .job::<Sweep, _>(|_boot| Ok(()))
                .schedule(sweeping("* * * * * *").timezone("Asia/Kathmandu")),
        )
    };
    let app = TestApp::start(swept).await;
    app.expect_path(&["jobs.schedule.tick", "send default", "process default"]).await;
    app.stop().await;
}
