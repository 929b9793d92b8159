//! Ids: UUIDs, the hexadecimal ids of OpenTelemetry, and a few that clients made up.

use super::rng::{Rng, derive};

/// How the ids of a trace's entities look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdStyle {
    /// UUIDs (version 4) throughout.
    Uuid,
    /// 32 hexadecimal digits for traces, 16 for observations, UUIDs for scores.
    Otel,
    /// Free text with quotes, spaces and letters of other scripts: what a client is free to send.
    Custom,
}

/// What an id is made of. Equal seeds give equal ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IdSeed {
    pub(super) style: IdStyle,
    pub(super) seed: u64,
    /// Whether a trace's, an observation's or a score's.
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Trace,
    Observation,
    Score,
}

const CUSTOM: [&str; 6] = [
    "run 'nightly'",
    "chat/2026",
    "会话",
    "größe \"xl\"",
    "a\\b%20",
    "🦜-agent",
];

impl IdSeed {
    /// Appends the id.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let (high, low) = (derive(self.seed, &[1]), derive(self.seed, &[2]));
        match (self.style, self.role) {
            (IdStyle::Custom, role) => {
                out.extend_from_slice(CUSTOM[(high % CUSTOM.len() as u64) as usize].as_bytes());
                out.extend_from_slice(match role {
                    Role::Trace => b"#t-",
                    Role::Observation => b"#o-",
                    Role::Score => b"#s-",
                });
                hex(out, low, 16);
            }
            (IdStyle::Otel, Role::Trace) => {
                hex(out, high, 16);
                hex(out, low, 16);
            }
            (IdStyle::Otel, Role::Observation) => hex(out, low, 16),
            (IdStyle::Uuid, _) | (IdStyle::Otel, Role::Score) => uuid(out, high, low),
        }
    }
}

/// Appends a UUID (version 4) of these bits.
pub(super) fn uuid(out: &mut Vec<u8>, high: u64, low: u64) {
    hex(out, high >> 32, 8);
    out.push(b'-');
    hex(out, high >> 16, 4);
    out.extend_from_slice(b"-4");
    hex(out, high, 3);
    out.push(b'-');
    hex(out, 8 | low >> 62, 1);
    hex(out, low >> 48, 3);
    out.push(b'-');
    hex(out, low, 12);
}

/// Appends a random UUID.
pub(super) fn random_uuid(out: &mut Vec<u8>, rng: &mut Rng) {
    let (high, low) = (rng.next(), rng.next());
    uuid(out, high, low);
}

/// Appends the lowest `digits` hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, bits: u64, digits: u32) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend((0..digits).rev().map(|i| DIGITS[(bits >> (i * 4)) as usize & 15]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(style: IdStyle, role: Role) -> String {
        let mut out = Vec::new();
        IdSeed { style, seed: 7, role }.write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_style_has_its_form() {
        let uuid = id(IdStyle::Uuid, Role::Trace);
        assert_eq!(uuid.len(), 36);
        let marks: Vec<_> = uuid.match_indices('-').map(|(i, _)| i).collect();
        assert_eq!(marks, [8, 13, 18, 23]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
        assert_eq!(id(IdStyle::Otel, Role::Trace).len(), 32);
        assert_eq!(id(IdStyle::Otel, Role::Observation).len(), 16);
        assert!(!id(IdStyle::Custom, Role::Score).contains(['\t', '\n']));
    }
}
