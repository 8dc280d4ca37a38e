//! What holds of access tokens, whatever comes as one.

use std::sync::LazyLock;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::get_current_timestamp;
use serde_json::Value;
use sha2::Sha256;

use super::keys::Keys;
use super::tokens::{Bearer, Tokens};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SEED: &str = "ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const NAME: &str = "shop";
const LEEWAY: u64 = 5;

/// Signs with one key, and accepts those of both.
static BY_SECRET: LazyLock<Tokens> = LazyLock::new(|| tokens(&[SECRET, SEED]));
static BY_SEED: LazyLock<Tokens> = LazyLock::new(|| tokens(&[SEED, SECRET]));

fn tokens(keys: &[&str]) -> Tokens {
    let keys = Keys::parse(&keys.join(","), false).expect("two keys");
    let (name, ttl) = (NAME.to_owned(), Duration::from_secs(900));
    Tokens::new(keys, name.clone(), name, ttl, Duration::from_secs(LEEWAY))
}

/// The first byte chooses: the rest is a token; or its lines are a header and claims, which are signed with the right key;
/// or they are a subject, a session and roles, whose token is changed in one place.
pub fn access_token(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match how % 3 {
        0 => what_is_taken_is_signed(&text),
        1 => what_is_signed_has_to_fit(&text),
        _ => what_is_changed_is_refused(rest),
    }
}

fn what_is_taken_is_signed(token: &str) {
    for tokens in [&*BY_SECRET, &*BY_SEED] {
        if tokens.read(token).is_ok() {
            let signed = token.rsplit_once('.').map(|(input, signature)| signature == sign(input));
            assert_eq!(signed, Some(true), "{token} was taken");
        }
    }
}

fn what_is_signed_has_to_fit(text: &str) {
    let Some((header, claims)) = text.split_once('\n') else { return };
    // What a fuzzer can not know.
    let (id, now) = (key_id(), get_current_timestamp());
    let fill = |text: &str| {
        text.replace("$kid", &id).replace("$now", &now.to_string()).replace("$soon", &(now + 60).to_string())
    };
    let (header, claims) = (fill(header), fill(claims));
    let input = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
    let Ok(bearer) = BY_SECRET.read(&format!("{input}.{}", sign(&input))) else { return };

    let case = format!("{header} {claims}");
    let header: Value = serde_json::from_str(&header).unwrap_or_default();
    let typ = header["typ"].as_str().unwrap_or_default().to_ascii_lowercase();
    assert!(matches!(typ.as_str(), "at+jwt" | "application/at+jwt"), "{case}");
    assert_eq!((&header["alg"], &header["kid"]), (&"HS256".into(), &id.into()), "{case}");
    for strange in ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "enc", "zip", "cty"] {
        assert!(header[strange].is_null(), "{case}");
    }
    let claims: Value = serde_json::from_str(&claims).unwrap_or_default();
    assert_eq!((&claims["iss"], &claims["aud"]), (&NAME.into(), &NAME.into()), "{case}");
    // It may have become later.
    assert!(claims["exp"].as_u64().is_some_and(|exp| exp + LEEWAY >= now), "{case}");
    assert!(claims["nbf"].as_u64().is_some_and(|nbf| nbf <= get_current_timestamp() + LEEWAY), "{case}");
    assert_eq!((&claims["sub"], &claims["sid"]), (&bearer.subject.into(), &bearer.session.into()), "{case}");
    assert_eq!(claims["roles"], Value::from(bearer.roles), "{case}");
    assert!(claims["sub"] != "" && claims["sid"] != "", "{case}");
}

fn what_is_changed_is_refused(data: &[u8]) {
    let [which, high, low, byte, rest @ ..] = data else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.lines().map(str::to_owned);
    let bearer = Bearer {
        subject: lines.next().unwrap_or_default(),
        session: lines.next().unwrap_or_default(),
        roles: lines.collect(),
    };
    let tokens = if which % 2 == 0 { &*BY_SECRET } else { &*BY_SEED };
    let Ok(token) = tokens.sign(&bearer) else { panic!("{bearer:?} can not be signed") };
    let token = token.expose();
    // Both take both.
    let good = token.len() <= 4096 && !bearer.subject.is_empty() && !bearer.session.is_empty();
    for tokens in [&*BY_SECRET, &*BY_SEED] {
        assert_eq!(tokens.read(token).ok(), good.then(|| bearer.clone()), "{token}");
    }
    let mut changed = token.clone().into_bytes();
    let at = usize::from(u16::from_be_bytes([*high, *low])) % changed.len();
    changed[at] = byte & 0x7f;
    let changed = String::from_utf8_lossy(&changed);
    assert!(changed == token.as_str() || tokens.read(&changed).is_err(), "{changed} in place of {token}");
}

/// By itself, and not as the code does it.
fn sign(input: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else { return String::new() };
    mac.update(input.as_bytes());
    base64(&mac.finalize().into_bytes())
}

fn key_id() -> String {
    Keys::hs256(SECRET.as_bytes()).signing().map(|key| key.id.clone()).unwrap_or_default()
}

/// For URLs and without padding (RFC 4648, section 5).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let triples = bytes.chunks(3).flat_map(|chunk| {
        let triple =
            (0..3).fold(0_usize, |sum, at| sum << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        let digits = (0..=chunk.len()).map(move |at| DIGITS[triple >> (18 - 6 * at) & 63]);
        digits.map(char::from).collect::<Vec<_>>()
    });
    triples.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that the properties say something: what fits is taken.
    #[test]
    fn a_token_that_fits_is_taken() {
        let header = format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{}"}}"#, key_id());
        let now = get_current_timestamp();
        let claims = format!(
            r#"{{"iss":"shop","aud":"shop","sub":"7","sid":"s","jti":"j","iat":{now},"nbf":{now},"exp":{},"roles":[]}}"#,
            now + 60
        );
        let input = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
        assert_eq!(BY_SECRET.read(&format!("{input}.{}", sign(&input))).unwrap().subject, "7");
    }
}
