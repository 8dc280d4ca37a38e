//! Tokens that somebody has made or changed.

use actix_web::http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode, get_current_timestamp};
use serde_json::{Value, json};
use spanbox::testing::TestApp;

use super::{create_app, enter, get, me};

/// What somebody does to the header of a token.
type Change<'a> = Box<dyn FnOnce(&mut Header) + 'a>;

/// The seed and the public key of the first test of RFC 8032, section 7.1.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const SECRET: &str = "0123456789abcdefghijklmnopqrstuv";

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64url(bytes: &[u8]) -> String {
    let sextets = bytes.chunks(3).flat_map(|chunk| {
        let word =
            chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |at| (word >> (18 - 6 * at)) & 63)
    });
    sextets.map(|sextet| char::from(ALPHABET[sextet as usize])).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The service with a key that signs, and an id of that and of another one that is accepted.
async fn start(keys: &str) -> TestApp {
    TestApp::start_with(create_app, [("APP_AUTH__KEYS", keys), ("APP_AUTH__LEEWAY", "0s")]).await
}

/// What a good token says, and a session that is alive.
struct Good {
    header: Header,
    claims: Value,
    token: String,
}

impl Good {
    async fn of(app: &TestApp) -> Self {
        let token = enter(app, "ann").await;
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&token).unwrap().claims;
        Self { header: decode_header(&token).unwrap(), claims, token }
    }

    /// The same claims and header, but for what is given; null takes a claim away.
    fn sign(&self, changes: &Value, header: impl FnOnce(&mut Header), key: &EncodingKey) -> String {
        let (mut claims, mut changed) = (self.claims.clone(), self.header.clone());
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
        }
        header(&mut changed);
        encode(&changed, &claims, key).unwrap()
    }

    /// A header of one's own, the payload and a signature.
    fn assemble(&self, header: &Value, signature: &str) -> String {
        let payload = self.token.split('.').nth(1).unwrap();
        format!("{}.{payload}.{signature}", base64url(header.to_string().as_bytes()))
    }
}

async fn assert_refused(app: &TestApp, what: &str, token: &str) {
    // Also where nobody has to sign in.
    for path in ["/me", "/open"] {
        let answer = get(app, path, &format!("Bearer {token}")).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{what}: {challenge}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
        assert_eq!(answer.json::<Value>()["type"], "urn:problem-type:spanbox:invalid-token", "{what}");
    }
}

#[actix::test]
async fn a_token_of_another_algorithm_or_key_or_one_that_brings_its_own_is_refused() {
    let app = start(SECRET).await;
    let good = Good::of(&app).await;
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    assert_eq!(me(&app, &good.sign(&json!({}), |_| (), &key)).await.status, 200);

    let kid = good.header.kid.clone().unwrap();
    let signature = good.token.rsplit('.').next().unwrap();
    for alg in ["none", "None", "NONE", "nOnE"] {
        for signature in ["", signature] {
            let header = json!({ "typ": "at+jwt", "alg": alg, "kid": kid });
            assert_refused(&app, alg, &good.assemble(&header, signature)).await;
        }
    }
    for alg in ["HS512", "HS384", "RS256", "ES256", "EdDSA", ""] {
        let header = json!({ "typ": "at+jwt", "alg": alg, "kid": kid });
        assert_refused(&app, alg, &good.assemble(&header, signature)).await;
    }
    let stronger = good.sign(&json!({}), |header| header.alg = Algorithm::HS512, &key);
    assert_refused(&app, "HS512 with the right secret", &stronger).await;
    let other = EncodingKey::from_secret(b"another secret of at least 32 bytes");
    assert_refused(&app, "another key", &good.sign(&json!({}), |_| (), &other)).await;
    for kid in [None, Some(""), Some("0000000000000000"), Some("../../dev/null")] {
        let token = good.sign(&json!({}), |header| header.kid = kid.map(str::to_owned), &key);
        assert_refused(&app, &format!("kid {kid:?}"), &token).await;
    }
    let url = "https://evil.example/keys.json".to_owned();
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": base64url(b"a key of the attacker's own making") });
    let own = EncodingKey::from_secret(b"a key of the attacker's own making");
    for key in [&key, &own] {
        let strange: [(&str, Change); 5] = [
            ("jku", Box::new(|header| header.jku = Some(url.clone()))),
            ("x5u", Box::new(|header| header.x5u = Some(url.clone()))),
            ("x5c", Box::new(|header| header.x5c = Some(vec!["MIIB".to_owned()]))),
            ("jwk", Box::new(|header| header.jwk = Some(serde_json::from_value(jwk.clone()).unwrap()))),
            ("crit", Box::new(|header| header.crit = Some(vec!["exp".to_owned()]))),
        ];
        for (what, change) in strange {
            assert_refused(&app, what, &good.sign(&json!({}), change, key)).await;
        }
    }
    app.stop().await;
}

#[actix::test]
async fn a_public_key_is_no_secret_to_sign_with() {
    let app = start(&format!("ed25519:{SEED}")).await;
    let good = Good::of(&app).await;
    assert_eq!(good.header.alg, Algorithm::EdDSA);
    assert_eq!(me(&app, &good.token).await.text(), "\"ann\"");
    for secret in [unhex(PUBLIC), PUBLIC.as_bytes().to_vec()] {
        let confused = good.sign(
            &json!({ "sub": "admin" }),
            |header| header.alg = Algorithm::HS256,
            &EncodingKey::from_secret(&secret),
        );
        assert_refused(&app, "HS256 with the public key", &confused).await;
    }
    app.stop().await;
}

#[actix::test]
async fn a_token_of_another_time_audience_issuer_or_type_is_refused() {
    let app = start(SECRET).await;
    let good = Good::of(&app).await;
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let now = get_current_timestamp();
    for changes in [
        json!({ "exp": now - 2 }),
        json!({ "exp": 0 }),
        json!({ "exp": -1 }),
        json!({ "exp": "tomorrow" }),
        json!({ "exp": null }),
        json!({ "nbf": now + 60 }),
        json!({ "nbf": null }),
        json!({ "aud": "theatre" }),
        json!({ "aud": "" }),
        json!({ "aud": ["hall", "theatre"] }),
        json!({ "aud": null }),
        json!({ "iss": "theatre" }),
        json!({ "iss": ["hall"] }),
        json!({ "iss": null }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        // Another's session, and none.
        json!({ "sub": "bob" }),
        json!({ "sid": "00000000000000000000000000000000" }),
        json!({ "sid": null }),
        json!({ "jti": null }),
        json!({ "roles": "admin" }),
    ] {
        assert_refused(&app, &changes.to_string(), &good.sign(&changes, |_| (), &key)).await;
    }
    for typ in [None, Some("JWT"), Some("rt+jwt"), Some("refresh"), Some("id_token"), Some("")] {
        let token = good.sign(&json!({}), |header| header.typ = typ.map(str::to_owned), &key);
        assert_refused(&app, &format!("typ {typ:?}"), &token).await;
    }
    let token = good.sign(&json!({}), |header| header.typ = Some("application/AT+JWT".to_owned()), &key);
    assert_eq!(me(&app, &token).await.status, 200);
    app.stop().await;
}

#[actix::test]
async fn what_is_no_token_at_all_is_refused_and_nothing_is_nobody() {
    let app = start(SECRET).await;
    let good = Good::of(&app).await;
    let refresh = app.send(Method::POST, "/in/ann", &[], Default::default()).await.json::<Value>();
    let refresh = refresh["refresh_token"].as_str().unwrap().to_owned();
    let (long, token) = ("x".repeat(5000), &good.token);
    let cut = &token[..token.len() - 1];
    for token in ["x", ".", "..", "a.b.c", cut, &format!("{token}x"), &format!("{token}.x"), &long, &refresh]
    {
        assert_refused(&app, token, token).await;
    }
    for authorization in ["Bearer", "Basic YW5uOmh1bnRlcjI=", "bearer", token, "Bearer a b"] {
        let answer = get(&app, "/open", authorization).await;
        assert_eq!(answer.status, 401, "{authorization}: {answer:?}");
    }
    let two = [("authorization", format!("Bearer {token}")), ("authorization", "Bearer x".to_owned())];
    let head = two.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let request = format!("GET /open HTTP/1.1\r\nhost: hall\r\n{head}connection: close\r\n\r\n");
    let address = app.running().addresses()[0];
    let answer = spanbox::testing::raw(address, request.as_bytes(), std::time::Duration::from_secs(20)).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");

    assert_eq!(app.get("/open").await.text(), "null");
    let nobody = app.get("/me").await;
    assert_eq!((nobody.status.as_u16(), nobody.header("www-authenticate")), (401, Some("Bearer")));
    app.stop().await;
}

#[actix::test]
async fn a_key_is_rotated_without_a_sign_out() {
    let (old, new) = (SECRET, format!("ed25519:{SEED}"));
    let app = start(old).await;
    let token = enter(&app, "ann").await;
    let database = app.database().clone();
    app.stop().await;
    for (keys, status) in [(format!("{new},{old}"), 200), (new, 401)] {
        let app = TestApp::start_on(database.clone(), create_app, [("APP_AUTH__KEYS", keys)]).await;
        assert_eq!(me(&app, &token).await.status, status);
        let fresh = enter(&app, "ann").await;
        assert_eq!(decode_header(&fresh).unwrap().alg, Algorithm::EdDSA);
        assert_eq!(me(&app, &fresh).await.status, 200);
        app.stop().await;
    }
}

#[test]
fn wrong_keys_and_times_are_told_before_the_start() {
    let errors = create_app(Some("production"))
        .environment([
            ("DATABASE_URL", "sqlite://x.db"),
            ("APP_AUTH__KEYS", "hunter2"),
            ("APP_AUTH__LEEWAY", "5m"),
            ("APP_AUTH__REVOCATION_LAG", "6s"),
            ("APP_AUTH__ACCESS_TTL", "0s"),
            ("APP_AUTH__PASSWORD__MEMORY_KIB", "64"),
            ("APP_AUTH__PASSWORD__AT_ONCE", "0"),
        ])
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in [
        "service.secret_key",
        "auth.keys can not be used: key 1 is shorter than 32 bytes",
        "auth.leeway must be at most",
        "auth.revocation_lag must be at most 5s",
        "auth.access_ttl must be at least 1s",
        "auth.password.memory_kib is too little for production",
        "auth.password.at_once must be between 1 and 64",
    ] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
    assert!(!errors.contains("hunter2"), "{errors}");
}
