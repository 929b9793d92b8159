//! Sizes with their unit in the text: `"64 MiB"`, `"20 GB"`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

/// The text is not a size with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a size: write a number and a unit, for example `64 MiB`, `20 GB` or `512 B`")]
pub struct ByteSizeError {
    text: String,
}

impl ByteSize {
    /// `n` times 1024 bytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` times 1024 KiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` times 1024 MiB.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// Reads a number and a unit: `B`, `KiB`/`MiB`/`GiB`/`TiB` (1024) or `KB`/`MB`/`GB`/`TB` (1000). One decimal
    /// fraction is allowed: `1.5 GiB`.
    ///
    /// # Errors
    /// No number, no unit, an unknown unit, or a number too large.
    pub fn parse(text: &str) -> Result<Self, ByteSizeError> {
        let wrong = || ByteSizeError { text: text.to_owned() };
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let number: f64 = trimmed[..end].parse().map_err(|_| wrong())?;
        let unit: u64 = match trimmed[end..].trim().to_ascii_lowercase().as_str() {
            "b" => 1,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err(wrong()),
        };
        let bytes = number * unit as f64;
        if bytes >= 9.0e18 {
            return Err(wrong());
        }
        Ok(Self(bytes as u64))
    }
}

/// The largest binary unit that keeps the number at or above 1, with one decimal.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (unit, name) in UNITS {
            if self.0 >= unit {
                let value = self.0 as f64 / unit as f64;
                return if self.0.is_multiple_of(unit) {
                    write!(f, "{} {name}", self.0 / unit)
                } else {
                    write!(f, "{value:.1} {name}")
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_refuses_bare_numbers() {
        assert_eq!(ByteSize::parse("64 MiB"), Ok(ByteSize::mib(64)));
        assert_eq!(ByteSize::parse("20GB"), Ok(ByteSize(20_000_000_000)));
        assert_eq!(ByteSize::parse("1.5 KiB"), Ok(ByteSize(1536)));
        for wrong in ["64", "MiB", "", "1.2.3 MiB", "-1 MiB", "4 parsecs", "99999999999 TiB"] {
            assert!(ByteSize::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["64 MiB", "1 GiB", "512 B", "1.5 KiB"] {
            assert_eq!(ByteSize::parse(text).map(|b| b.to_string()), Ok(text.to_owned()));
        }
    }
}
