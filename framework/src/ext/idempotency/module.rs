use super::in_flight::InFlight;
use super::key::KeyId;
use super::prune::PruneIdempotencyKeys;
use super::settings::IdempotencySettings;
use super::store;
use crate::data::Conn;
use crate::jobs::Schedule;
use crate::module::Module;

/// The module `idempotency`: what [`Idempotent`](super::Idempotent) needs, its settings, and the job that forgets. The
/// service needs a database with [`MIGRATIONS`](super::MIGRATIONS) and [`jobs::MIGRATIONS`](crate::jobs::MIGRATIONS).
pub fn module() -> Module {
    Module::new("idempotency")
        .settings::<IdempotencySettings>()
        .on_start(async |boot| {
            let nobody = KeyId::of(&[]);
            boot.db()?.read(async move |conn: &mut Conn| store::find(conn, nobody).await).await.map_err(
                |error| {
                    format!(
                        "the answers that are kept can not be read: give the service migrations that end in \
                     `.with(&spanbox::ext::idempotency::MIGRATIONS)`, and apply them: {error}"
                    )
                },
            )?;
            boot.provide(InFlight::default());
            Ok(())
        })
        .job::<PruneIdempotencyKeys, _>(|_boot| Ok(()))
        .schedule(Schedule::new("17 * * * *", |_tick| PruneIdempotencyKeys {}))
}
