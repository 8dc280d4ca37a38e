use super::in_flight::InFlight;
use super::prune::PruneIdempotencyKeys;
use super::settings::IdempotencySettings;
use crate::jobs::Schedule;
use crate::module::Module;

/// The module `idempotency`: what [`Idempotent`](super::Idempotent) needs, its settings, and the job that forgets. The
/// service needs a database with [`jobs::MIGRATIONS`](crate::jobs::MIGRATIONS), which have the table.
pub fn module() -> Module {
    Module::new("idempotency")
        .settings::<IdempotencySettings>()
        .on_start(async |boot| {
            boot.provide(InFlight::default());
            Ok(())
        })
        .job::<PruneIdempotencyKeys, _>(|_boot| Ok(()))
        .schedule(Schedule::new("17 * * * *", |_tick| PruneIdempotencyKeys {}))
}
