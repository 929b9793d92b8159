//! Leaves: the pieces of a window that are really read and written.
//!
//! A window begins as one leaf, the root. A leaf that fails is split along the table's sort key, and its parts tile it
//! exactly: no id, type or day is lost between two parts, and none is in both.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Window;

/// `[from, to)` of ids in byte order; `None` is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct IdRange {
    /// The first id that belongs to it.
    pub from: Option<String>,
    /// The first id that no longer belongs to it.
    pub to: Option<String>,
}

impl IdRange {
    /// Whether the id lies inside.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.from.as_deref().is_none_or(|from| from <= id) && self.to.as_deref().is_none_or(|to| id < to)
    }

    /// Whether it holds all ids.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Cuts it at `at`, which begins the second part; `None` where one part would be empty.
    #[must_use]
    pub fn cut(&self, at: &str) -> Option<(Self, Self)> {
        let after_from = self.from.as_deref().is_none_or(|from| from < at) && !at.is_empty();
        if !after_from || !self.contains(at) {
            return None;
        }
        Some((
            Self {
                from: self.from.clone(),
                to: Some(at.to_owned()),
            },
            Self {
                from: Some(at.to_owned()),
                to: self.to.clone(),
            },
        ))
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |end: &Option<String>| end.as_ref().map_or_else(|| "…".to_owned(), |id| format!("{id:?}"));
        write!(f, "[{}, {})", end(&self.from), end(&self.to))
    }
}

/// Where a leaf stands in the tree of splits: one digit a split, empty for the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafPath(String);

impl LeafPath {
    /// The path of the part with that index (0 or 1).
    #[must_use]
    pub fn child(&self, part: u8) -> Self {
        Self(format!("{}{part}", self.0))
    }

    /// The path of the leaf that it is a part of; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.split_at_checked(self.0.len().checked_sub(1)?)?;
        Some(Self(parent.to_owned()))
    }

    /// How often the window was split to get here.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.len()
    }
}

/// `r` for the root, `r01` for the second part of its first part: a name for files and logs. Long paths are packed, with
/// their depth first (`r41-2af…`), so that a name stays within what file systems allow.
impl fmt::Display for LeafPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 32;
        if self.0.len() <= LONGEST {
            return write!(f, "r{}", self.0);
        }
        write!(f, "r{}-", self.0.len())?;
        for digits in self.0.as_bytes().chunks(4) {
            let nibble = digits.iter().fold(0_u8, |nibble, digit| (nibble << 1) | (digit & 1));
            write!(f, "{nibble:x}")?;
        }
        Ok(())
    }
}

/// What is read in one pass and written as one run of files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leaf {
    /// The window that it belongs to. Which version of an id is the newest is decided over this whole window.
    pub window: Window,
    /// The days (cut to the window) whose rows it writes.
    pub slice: Window,
    /// The types whose rows it writes, `None` for all. Observations only.
    pub types: Option<Types>,
    /// The ids whose rows it writes.
    pub ids: IdRange,
    /// Where it stands in the tree of splits.
    pub path: LeafPath,
}

/// A set of types: a list, or all but a list, so that the parts of a split hold every type, known or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Types {
    /// These and no others.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

impl Types {
    /// Whether the type belongs to it.
    #[must_use]
    pub fn contains(&self, ty: &str) -> bool {
        match self {
            Self::Only(types) => types.iter().any(|t| t == ty),
            Self::Except(types) => !types.iter().any(|t| t == ty),
        }
    }
}

impl Leaf {
    /// The leaf that is a whole window.
    #[must_use]
    pub fn root(window: Window) -> Self {
        Self {
            window,
            slice: window,
            types: None,
            ids: IdRange::default(),
            path: LeafPath::default(),
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.slice)?;
        match &self.types {
            Some(Types::Only(types)) => write!(f, " types {}", types.join(","))?,
            Some(Types::Except(types)) => write!(f, " types other than {}", types.join(","))?,
            None => {}
        }
        if !self.ids.is_all() {
            write!(f, " ids {}", self.ids)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_stay_short_and_distinct() {
        let path = |bits: u64| {
            (0..60).fold(LeafPath::default(), |path, bit| {
                path.child(u8::from(bits >> bit & 1 == 1))
            })
        };
        assert_eq!(path(1).to_string(), "r60-800000000000000");
        assert_ne!(path(1).to_string(), path(2).to_string());
        assert!(
            (0..500)
                .fold(LeafPath::default(), |path, _| path.child(1))
                .to_string()
                .len()
                < 140
        );
    }

    #[test]
    fn a_cut_tiles_and_refuses_an_empty_part() {
        let all = IdRange::default();
        let (low, high) = all.cut("m").expect("two parts");
        assert!(low.contains("") && low.contains("lzz") && !low.contains("m"));
        assert!(high.contains("m") && high.contains("\u{10ffff}") && !high.contains("l"));
        assert_eq!(high.cut("m"), None);
        assert_eq!(low.cut("m"), None);
        assert_eq!(all.cut(""), None);
    }
}
