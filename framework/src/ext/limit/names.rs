//! Who is counted, for all processes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::client::Client;

/// Names clients by what tells nobody who they are.
pub(super) struct Names(Hmac<Sha256>);

impl Names {
    /// All processes of a service have the same secret.
    pub(super) fn new(secret: &[u8]) -> Self {
        // HMAC takes a key of any length.
        let mac = Hmac::<Sha256>::new_from_slice(secret);
        Self(mac.unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default())))
    }

    /// 128 bits in hexadecimal.
    pub(super) fn of(&self, client: &Client) -> String {
        let mut mac = self.0.clone();
        match client {
            Client::Address(network) => mac.update(&network.to_be_bytes()),
            Client::Principal(id) => {
                mac.update(b"principal:");
                mac.update(id.as_bytes());
            }
        }
        let digest = mac.finalize().into_bytes();
        digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_on_every_node_and_nobody_else_can_find_out_whose() {
        let (names, others) = (Names::new(b"secret"), Names::new(b"other"));
        let (alice, bob) = (Client::Principal("alice".to_owned()), Client::Principal("bob".to_owned()));
        assert_ne!(names.of(&alice), names.of(&bob));
        assert_ne!(names.of(&alice), others.of(&alice), "nobody else can find out by trying");
        assert_eq!(names.of(&alice), Names::new(b"secret").of(&alice), "on every node");
        assert_eq!(names.of(&Client::Address(7)).len(), 32);
    }
}
