//! The steps of a trace as a tree: pure, and linear in their number but for sorting.
//!
//! *Invariants.* Every step is told exactly once, whatever parents it names: one whose parent is missing becomes a root and is
//! marked as such, and of a circle the step that began first becomes a root. Siblings are in the order of their start.

use std::collections::HashMap;

/// What a tree is made of.
pub(super) trait Node {
    /// Its id.
    fn id(&self) -> &str;
    /// The id of what called it.
    fn parent(&self) -> Option<&str>;
    /// When it began, in ms.
    fn start(&self) -> i64;
}

/// A place in the tree, in the order in which it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Branch {
    /// Which step: its place in what was given.
    pub(super) at: usize,
    /// 0 for a root.
    pub(super) depth: usize,
    /// Steps below it, of all depths.
    pub(super) below: usize,
    /// It names a parent that is not there.
    pub(super) is_orphan: bool,
}

/// The tree, from the first root on, children after their parent.
pub(super) fn tree<N: Node>(nodes: &[N]) -> Vec<Branch> {
    let places: HashMap<&str, usize> = nodes.iter().enumerate().map(|(at, node)| (node.id(), at)).collect();
    let parent = |at: usize| nodes[at].parent().filter(|id| !id.is_empty());
    let known = |at: usize| parent(at).and_then(|id| places.get(id).copied());
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by(|one, other| {
        let key = |at: &usize| (nodes[*at].start(), nodes[*at].id());
        key(one).cmp(&key(other))
    });
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut roots = Vec::new();
    for at in order.iter().copied() {
        match known(at).filter(|parent| *parent != at) {
            Some(parent) => children[parent].push(at),
            None => roots.push(at),
        }
    }
    let mut walk = Walk {
        children: &children,
        seen: vec![false; nodes.len()],
        branches: Vec::with_capacity(nodes.len()),
    };
    for root in roots {
        walk.from(root, parent(root).is_some() && known(root).is_none());
    }
    // What no root leads to is in a circle, or hangs on one.
    for at in order {
        walk.from(at, false);
    }
    count_below(&mut walk.branches);
    walk.branches
}

struct Walk<'a> {
    children: &'a [Vec<usize>],
    seen: Vec<bool>,
    branches: Vec<Branch>,
}

impl Walk<'_> {
    /// Tells a step and all below it. Without recursion: a chain may be as long as a trace.
    fn from(&mut self, root: usize, is_orphan: bool) {
        let mut ahead = vec![(root, 0)];
        while let Some((at, depth)) = ahead.pop() {
            if std::mem::replace(&mut self.seen[at], true) {
                continue;
            }
            self.branches.push(Branch {
                at,
                depth,
                below: 0,
                is_orphan: is_orphan && depth == 0,
            });
            ahead.extend(self.children[at].iter().rev().map(|child| (*child, depth + 1)));
        }
    }
}

/// A step's descendants are those that follow it until one is not deeper.
fn count_below(branches: &mut [Branch]) {
    let mut open: Vec<usize> = Vec::new();
    for at in 0..=branches.len() {
        let depth = branches.get(at).map_or(0, |branch| branch.depth);
        while let Some(last) = open.last().copied().filter(|last| branches[*last].depth >= depth) {
            branches[last].below = at - last - 1;
            open.pop();
        }
        open.push(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Step(String, Option<String>, i64);

    impl Node for Step {
        fn id(&self) -> &str {
            &self.0
        }
        fn parent(&self) -> Option<&str> {
            self.1.as_deref()
        }
        fn start(&self) -> i64 {
            self.2
        }
    }

    /// `id<parent@start`, told as `id:depth:below`, with `?` where the parent is missing.
    fn told(steps: &[(&str, Option<&str>, i64)]) -> String {
        let steps: Vec<Step> = steps
            .iter()
            .map(|(id, parent, start)| Step((*id).to_owned(), parent.map(str::to_owned), *start))
            .collect();
        let one = |branch: &Branch| {
            let mark = if branch.is_orphan { "?" } else { "" };
            format!("{}:{}:{}{mark}", steps[branch.at].0, branch.depth, branch.below)
        };
        tree(&steps).iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn children_follow_their_parent_in_the_order_of_their_start() {
        let steps = [
            ("late", Some("root"), 9),
            ("leaf", Some("early"), 3),
            ("root", None, 1),
            ("early", Some("root"), 2),
        ];
        assert_eq!(told(&steps), "root:0:3 early:1:1 leaf:2:0 late:1:0");
    }

    #[test]
    fn several_roots_and_missing_parents() {
        let steps = [
            ("b", None, 2),
            ("a", None, 1),
            ("c", Some("gone"), 0),
            ("d", Some("c"), 5),
            ("e", Some(""), 9),
        ];
        assert_eq!(told(&steps), "c:0:1? d:1:0 a:0:0 b:0:0 e:0:0");
    }

    #[test]
    fn circles_are_cut_where_they_began() {
        let steps = [
            ("x", Some("z"), 3),
            ("y", Some("x"), 1),
            ("z", Some("y"), 2),
            ("self", Some("self"), 4),
        ];
        assert_eq!(told(&steps), "self:0:0 y:0:2 z:1:1 x:2:0");
        let hanging = [("tail", Some("p"), 0), ("p", Some("q"), 1), ("q", Some("p"), 2)];
        assert_eq!(told(&hanging), "tail:0:0 p:0:1 q:1:0", "each is told once");
        assert_eq!(told(&[]), "");
    }

    #[test]
    fn a_chain_may_be_as_long_as_a_trace() {
        let steps: Vec<Step> = (0..100_000)
            .map(|n: i64| Step(n.to_string(), (n > 0).then(|| (n - 1).to_string()), n))
            .collect();
        let branches = tree(&steps);
        assert_eq!(branches.last().map(|last| last.depth), Some(99_999));
        assert_eq!(branches[0].below, 99_999);
    }

    proptest! {
        #[test]
        fn every_step_is_told_once(parents in proptest::collection::vec(proptest::option::of(0_usize..40), 0..30)) {
            let steps: Vec<Step> = parents
                .iter()
                .enumerate()
                .map(|(at, parent)| Step(at.to_string(), parent.map(|parent| parent.to_string()), at as i64 % 7))
                .collect();
            let mut told: Vec<usize> = tree(&steps).iter().map(|branch| branch.at).collect();
            told.sort_unstable();
            prop_assert_eq!(told, (0..steps.len()).collect::<Vec<_>>());
        }
    }
}
