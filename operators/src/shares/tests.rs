use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn text(name: usize) -> Text {
    format!("p{name}").into()
}

fn weights(of: &[u32]) -> Weights {
    Weights::new(of.iter().enumerate().map(|(name, weight)| (text(name), *weight)))
}

/// Parties with work that is known from the start or comes later, served one after the other.
struct Model {
    shares: Shares,
    waiting: Vec<VecDeque<u64>>,
    had: Vec<u64>,
}

impl Model {
    fn new(of: &[u32]) -> Self {
        Self {
            shares: Shares::new(weights(of)),
            waiting: vec![VecDeque::new(); of.len()],
            had: vec![0; of.len()],
        }
    }

    fn add(&mut self, name: usize, cost: u64) {
        self.waiting[name].push_back(cost);
        self.shares.join(&text(name));
    }

    /// Serves one; `None`: nobody has work.
    fn serve(&mut self) -> Option<usize> {
        let next = self.shares.pick()?;
        let name: usize = next[1..].parse().expect("a number");
        let cost = self.waiting[name].pop_front().expect("it has work");
        self.had[name] += cost;
        self.shares.charge(&next, cost);
        if self.waiting[name].is_empty() {
            self.shares.leave(&next);
        }
        Some(name)
    }
}

#[test]
fn a_single_party_gets_everything() {
    let mut model = Model::new(&[1, 9]);
    for _ in 0..100 {
        model.add(0, 1 << 40);
    }
    for _ in 0..100 {
        assert_eq!(model.serve(), Some(0));
    }
    assert_eq!(model.serve(), None);
}

#[test]
fn who_was_idle_has_no_credit_and_who_was_alone_no_debt() {
    let mut model = Model::new(&[1, 1]);
    for _ in 0..1_000 {
        model.add(0, 100);
    }
    for _ in 0..500 {
        model.serve();
    }
    for _ in 0..500 {
        model.add(1, 100);
    }
    let order: Vec<usize> = (0..100).filter_map(|_| model.serve()).collect();
    let ones = order.iter().filter(|name| **name == 1).count();
    assert!((49..=51).contains(&ones), "by turns from now on: {order:?}");
}

#[test]
fn weights_have_bounds_and_a_default() {
    let weights = Weights::new([("a", 0), ("b", 7), ("c", u32::MAX)]);
    let of: Vec<u32> = ["a", "b", "c", "d"].iter().map(|name| weights.of(name)).collect();
    assert_eq!(of, [1, 7, MAX_WEIGHT, 1]);
}

#[test]
fn what_is_remembered_ends_with_the_work() {
    let mut model = Model::new(&[]);
    for name in 0..10_000 {
        model.waiting.push(VecDeque::new());
        model.had.push(0);
        model.add(name, 1 + name as u64 % 7);
    }
    while model.serve().is_some() {}
    assert_eq!((model.shares.parties.len(), model.shares.ahead.len()), (0, 0));
    // Also while one has work for ever.
    for name in 1..10_000 {
        model.add(0, 100);
        model.add(name, 1_000);
        model.serve();
        model.serve();
    }
    while model.waiting[1..].iter().any(|waiting| !waiting.is_empty()) {
        model.add(0, 100);
        model.serve();
    }
    for _ in 0..100 {
        model.add(0, 100);
        model.serve();
    }
    assert!(model.shares.parties.len() < 3, "{}", model.shares.parties.len());
}

proptest! {
    /// While two parties both have work, neither has more than its weighted share and one piece of each.
    #[test]
    fn each_gets_its_weighted_share_within_one_piece(
        of in prop::collection::vec(1u32..20, 2..6),
        steps in prop::collection::vec((0usize..6, 1u64..5_000, 0usize..4), 1..400),
    ) {
        let mut model = Model::new(&of);
        let count = of.len();
        // What each had when the two were last not both waiting.
        let mut since: HashMap<(usize, usize), (u64, u64)> = HashMap::new();
        let longest = 5_000.0;
        for (name, cost, served) in steps {
            model.add(name % count, cost);
            for _ in 0..served {
                let before = model.had.clone();
                let waited: Vec<bool> = model.waiting.iter().map(|waiting| !waiting.is_empty()).collect();
                // Work-conserving: somebody goes if anybody has work, and it is somebody who has.
                let went = model.serve();
                prop_assert_eq!(went.is_some(), waited.iter().any(|is| *is));
                for a in 0..count {
                    for b in a + 1..count {
                        if !(waited[a] && waited[b]) {
                            since.remove(&(a, b));
                            continue;
                        }
                        let (from_a, from_b) = *since.entry((a, b)).or_insert((before[a], before[b]));
                        let (a_had, b_had) = ((model.had[a] - from_a) as f64, (model.had[b] - from_b) as f64);
                        let (wa, wb) = (f64::from(of[a]), f64::from(of[b]));
                        let apart = (a_had / wa - b_had / wb).abs();
                        prop_assert!(apart <= longest / wa + longest / wb + 1e-6, "{a} {b}: {apart}");
                    }
                }
            }
            // What was added may have ended an idle time of one of a pair.
            let waits: Vec<bool> = model.waiting.iter().map(|waiting| !waiting.is_empty()).collect();
            since.retain(|(a, b), _| waits[*a] && waits[*b]);
        }
    }

    /// Everybody is served in the end, and in the order of their own work.
    #[test]
    fn nothing_is_lost(steps in prop::collection::vec((0usize..5, 1u64..100), 0..300)) {
        let mut model = Model::new(&[1, 2, 3, 4, 5]);
        let mut sums = vec![0; 5];
        for (name, cost) in &steps {
            model.add(*name, *cost);
            sums[*name] += cost;
        }
        for _ in &steps {
            prop_assert!(model.serve().is_some());
        }
        prop_assert_eq!(model.serve(), None);
        prop_assert_eq!(model.had, sums);
    }
}
