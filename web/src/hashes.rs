//! Hashes of secrets: pure.

use sha2::{Digest, Sha256};
use tracemill_model::Secret;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// `sha256hex(secret || sha256hex(salt))`, the form in which keys are configured.
#[must_use]
pub fn fast_hash(secret: &Secret, salt: &Secret) -> String {
    hex(&fast(secret.reveal(), &salt_hash(salt)))
}

/// The salt as it is appended to secrets.
pub(crate) fn salt_hash(salt: &Secret) -> String {
    hex(&Sha256::digest(salt.reveal().as_bytes()).into())
}

/// The hash of a secret, with the salt's hash.
pub(crate) fn fast(secret: &str, salt_hash: &str) -> Hash {
    let mut sha = Sha256::new();
    sha.update(secret.as_bytes());
    sha.update(salt_hash.as_bytes());
    sha.finalize().into()
}

pub(crate) fn hex(hash: &Hash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    hash.iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// 64 hexadecimal digits. `None`: anything else.
pub(crate) fn unhex(text: &str) -> Option<Hash> {
    let digits: &[u8; 64] = text.trim().as_bytes().try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_chunks::<2>().0) {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_form() {
        // echo -n salt | sha256sum; echo -n sk-lf-test<that> | sha256sum
        let salt = Secret::new("salt");
        let expected = "15985df7b4172975";
        let hash = fast_hash(&Secret::new("sk-lf-test"), &salt);
        assert_eq!((hash.len(), unhex(&hash).map(|h| hex(&h))), (64, Some(hash.clone())));
        assert_eq!(&hash[..16], expected);
        assert_eq!(unhex("xyz"), None);
        assert_eq!(unhex(&"g".repeat(64)), None);
    }
}
