//! Refresh tokens: good once.

use futures_util::future::join_all;
use orders::create_app;
use spanbox::testing::TestApp;

use super::{PASSWORD, SignedIn, exchange, me, register, send, sign_in, told};
use crate::stored::Records;

#[actix::test]
async fn a_refresh_token_is_good_once_and_what_is_stored_of_it_is_a_hash() {
    let app = TestApp::start(create_app).await;
    register(&app, "ann@example.com").await;
    let mut now = sign_in(&app, "ann@example.com").await;
    let records = Records::open(app.database()).await;
    for _ in 0..3 {
        let stored =
            format!("UPDATE spanbox_refresh_tokens SET used_at = used_at WHERE hash = '{}'", now.refresh);
        assert_eq!(records.sql(stored).await, 0);
        let next = SignedIn::of(&exchange(&app, &now.refresh).await);
        assert_ne!((&next.access, &next.refresh), (&now.access, &now.refresh));
        assert_eq!(me(&app, &next).await.status, 200);
        now = next;
    }
    for token in ["", "x", &now.access, &"0".repeat(64)] {
        let answer = exchange(&app, token).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(told(&answer)["type"], "urn:problem-type:spanbox:bad-refresh-token");
    }
    // It gives no access by itself.
    let as_access = SignedIn { access: now.refresh.clone(), ..now.clone() };
    assert_eq!(me(&app, &as_access).await.status, 401);
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn a_refresh_token_that_comes_again_ends_its_session_and_no_other() {
    let app = TestApp::start_with(create_app, [("APP_AUTH__REUSE_GRACE", "0s")]).await;
    register(&app, "ann@example.com").await;
    let (stolen, elsewhere) =
        (sign_in(&app, "ann@example.com").await, sign_in(&app, "ann@example.com").await);
    let second = SignedIn::of(&exchange(&app, &stolen.refresh).await);
    let third = SignedIn::of(&exchange(&app, &second.refresh).await);
    assert_eq!(me(&app, &third).await.status, 200);
    // The oldest of the family, as the newest but one would.
    let again = exchange(&app, &stolen.refresh).await;
    assert_eq!(again.status, 401, "{again:?}");
    for (who, what) in [(&stolen, "first"), (&second, "second"), (&third, "third")] {
        assert_eq!(me(&app, who).await.status, 401, "the {what} access token");
        assert_eq!(exchange(&app, &who.refresh).await.status, 401, "the {what} refresh token");
    }
    assert_eq!(me(&app, &elsewhere).await.status, 200);
    SignedIn::of(&exchange(&app, &elsewhere.refresh).await);
    app.stop().await;
}

#[actix::test]
async fn of_sixty_four_refreshes_at_once_one_wins_and_its_session_goes_on() {
    let app = TestApp::start_with(create_app, [("APP_AUTH__REUSE_GRACE", "1m")]).await;
    register(&app, "ann@example.com").await;
    let now = sign_in(&app, "ann@example.com").await;
    let answers = join_all((0..64).map(|_| exchange(&app, &now.refresh))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1, "{answers:?}");
    assert!(lost.iter().all(|answer| answer.status == 401), "{answers:?}");
    let next = SignedIn::of(won[0]);
    assert_eq!(me(&app, &next).await.status, 200);
    SignedIn::of(&exchange(&app, &next.refresh).await);
    app.stop().await;
}

#[actix::test]
async fn a_refresh_token_ends_with_its_time_its_session_and_its_user() {
    let app = TestApp::start_with(create_app, super::WITH_ADMIN).await;
    let records = Records::open(app.database()).await;
    let ann = register(&app, "ann@example.com").await;
    let one = async || sign_in(&app, "ann@example.com").await;
    let (expired, over, out, disabled) = (one().await, one().await, one().await, one().await);
    let the_first = "SELECT session_id FROM spanbox_refresh_tokens ORDER BY expires_at LIMIT 1";
    let sql = format!("UPDATE spanbox_refresh_tokens SET expires_at = 1 WHERE session_id = ({the_first})");
    assert_eq!(records.sql(sql).await, 1);
    assert_eq!(exchange(&app, &expired.refresh).await.status, 401);
    let sql = "UPDATE spanbox_sessions SET expires_at = 1 WHERE id = (SELECT session_id FROM spanbox_refresh_tokens \
               WHERE expires_at > 1 ORDER BY expires_at LIMIT 1)";
    assert_eq!(records.sql(sql).await, 1);
    assert_eq!(exchange(&app, &over.refresh).await.status, 401);
    assert_eq!(send(&app, Some(&out), "POST", "/api/accounts/logout", None).await.status, 204);
    assert_eq!(exchange(&app, &out.refresh).await.status, 401);
    let admin = sign_in(&app, super::ADMIN).await;
    let path = format!("/api/accounts/{ann}/disable");
    assert_eq!(send(&app, Some(&admin), "POST", &path, None).await.status, 204);
    assert_eq!(exchange(&app, &disabled.refresh).await.status, 401);
    assert_eq!(super::try_sign_in(&app, "ann@example.com", PASSWORD).await.status, 401);
    let path = format!("/api/accounts/{ann}/enable");
    assert_eq!(send(&app, Some(&admin), "POST", &path, None).await.status, 204);
    assert_eq!(exchange(&app, &disabled.refresh).await.status, 401, "what has ended does not begin again");
    SignedIn::of(&exchange(&app, &one().await.refresh).await);
    records.close().await;
    app.stop().await;
}
