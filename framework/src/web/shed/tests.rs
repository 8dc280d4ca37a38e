use std::sync::atomic::AtomicU64;

use super::*;

/// A shedder with one pressure, which is what the number says, in milliseconds.
fn shedder(settings: SheddingSettings) -> (Arc<Shedder>, Arc<AtomicU64>) {
    let value = Arc::<AtomicU64>::default();
    let read = Arc::clone(&value);
    let pressure = Pressure {
        name: "pool_wait",
        limit: Duration::from_secs(2),
        read: Box::new(move || {
            Some((Duration::from_millis(read.load(Ordering::Relaxed)), Some("x".to_owned())))
        }),
    };
    (Shedder::new(settings, &Telemetry::disabled(), vec![pressure]), value)
}

#[test]
fn requests_are_refused_over_the_limit_and_taken_again_when_it_is_calm() {
    let (shedder, value) = shedder(SheddingSettings::default());
    let start = Instant::now();
    let at = |millis: u64, is: u64| {
        value.store(is, Ordering::Relaxed);
        shedder.look(start + Duration::from_millis(millis));
        shedder.admit(&Method::GET, &Spared::default()).is_err()
    };
    let seen = [
        (0, 0, false),
        (1, 2000, false),
        (2, 2001, true),
        // Below the limit and not yet by half.
        (3, 1500, true),
        (1000, 900, true),
        // Calm has to last.
        (1500, 1200, true),
        (2000, 900, true),
        (2999, 900, true),
        (3000, 900, false),
        (3001, 1500, false),
        (3002, 9000, true),
    ];
    for (millis, is, refused) in seen {
        assert_eq!(at(millis, is), refused, "at {millis} ms, with {is} ms");
    }
}

#[actix::test]
async fn the_answer_and_readiness_say_why() {
    let (shedder, value) = shedder(SheddingSettings::default());
    let ready = super::super::Health::new(vec![shedder.check()]);
    assert!(ready.readiness().await.checks[0].error.is_none());
    value.store(5000, Ordering::Relaxed);
    shedder.look(Instant::now());
    let error = ready.readiness().await.checks[0].error.clone().unwrap();
    assert_eq!(error, "requests are refused: pool_wait is 5.0 s (x), its limit 2.0 s");
    let problem = shedder.admit(&Method::GET, &Spared::default()).unwrap_err();
    assert_eq!((problem.status().as_u16(), problem.kind()), (503, "overloaded"));
    assert!(problem.to_string().contains("(pool_wait): try again in 2 s"), "{problem}");
}

#[test]
fn what_is_critical_or_excepted_is_taken() {
    let settings =
        SheddingSettings { exclude: vec!["GET /a/{id}".to_owned()], ..SheddingSettings::default() };
    let (shedder, value) = shedder(settings);
    value.store(5000, Ordering::Relaxed);
    shedder.look(Instant::now());
    let taken = |method: Method, spared: &Spared| shedder.admit(&method, spared).is_ok();
    assert!(taken(Method::POST, &Spared::All));
    let of_route = shedder.spared("/a/{id}");
    assert!(taken(Method::GET, &of_route) && !taken(Method::POST, &of_route));
    assert!(!taken(Method::GET, &shedder.spared("/a/")));
}

#[test]
fn what_is_not_wanted_is_not_looked_at() {
    let off = SheddingSettings { enabled: false, ..SheddingSettings::default() };
    let (shedder, value) = shedder(off);
    value.store(60_000, Ordering::Relaxed);
    shedder.look(Instant::now());
    assert!(shedder.admit(&Method::GET, &Spared::default()).is_ok() && shedder.pressures.is_empty());
}
