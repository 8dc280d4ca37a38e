//! Answers that are too long, too short, or something else than was expected.

use serde::Deserialize;

use super::Ground;
use super::server::{Reply, Server};
use crate::ext::client::{ClientError, Response};

async fn answer(reply: &'static str) -> Result<Response, ClientError> {
    let server = Server::start(move |_| Reply::Bytes(reply.to_owned())).await;
    let ground = Ground::with(|settings| {
        settings.max_response_bytes = 16;
        settings.retry.attempts = 1;
    });
    ground.client.get(&server.url()).send().await
}

#[actix::test]
async fn an_answer_that_is_cut_off_is_an_error_that_says_so() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    let error = answer(cut).await.unwrap_err();
    assert!(matches!(error, ClientError::CutOff { received: 3, .. }), "{error:?}");
    assert!(error.to_string().contains("was cut off after 3 bytes"), "{error}");
    let error =
        answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await.unwrap_err();
    assert!(matches!(error, ClientError::CutOff { received: 3, .. }), "{error:?}");
}

#[actix::test]
async fn an_answer_is_read_up_to_the_limit_whether_it_says_its_length_or_not() {
    let whole = answer("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef").await.unwrap();
    assert_eq!(whole.bytes().len(), 16);
    for long in [
        "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n0123456789abcdefg",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n",
        // It need not be there to be too long.
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
    ] {
        let error = answer(long).await.unwrap_err();
        assert!(matches!(error, ClientError::TooLarge { limit: 16, .. }), "{error:?}");
    }
}

#[actix::test]
async fn what_does_not_fit_is_told_by_its_place_and_not_by_what_it_says() {
    #[derive(Debug, Deserialize)]
    struct Charge {
        #[allow(dead_code, reason = "only whether it is there counts")]
        id: String,
    }
    let answer = answer("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"id\":4111111111").await.unwrap();
    let error = answer.json::<Charge>().unwrap_err().to_string();
    assert!(error.contains("`id` in line 1") && !error.contains("4111"), "{error}");
    assert!(!format!("{answer:?}").contains("4111"));
}

#[actix::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(|_| Reply::of(200, "")).await;
    let to = format!("location: {}/?token=hunter2\r\n", elsewhere.url());
    for status in [301, 302, 303, 307, 308] {
        let to = to.clone();
        let server = Server::start(move |_| Reply::with(status, &to, "")).await;
        let ground = Ground::new();
        let error = ground.client.get(&server.url()).send().await.unwrap_err();
        assert!(matches!(error, ClientError::Redirect { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("sends to 127.0.0.1") && !text.contains("hunter2"), "{text}");
    }
    assert!(elsewhere.seen().is_empty());
}
