//! Where nodes write: no two of them, of any graph, to the same place.

use super::checked::StoreKind;
use super::fault::{Context, Report};
use super::graphs::{Drafted, Node, NodeKind};
use super::stores::Stores;

/// A place to which a node writes.
struct Place<'n> {
    node: &'n Node,
    /// The store's address with its endpoint.
    store: String,
    prefix: &'n str,
}

impl Place<'_> {
    fn whole(&self) -> String {
        format!("{}/{}", self.store, self.prefix.trim_end_matches('/'))
    }

    /// Whether one of the two begins with the other: whoever lists the one finds the other's objects.
    fn holds(&self, other: &Self) -> bool {
        self.store == other.store && !self.prefix.is_empty() && other.prefix.starts_with(self.prefix)
    }
}

/// Sinks that share a place would remove what the other wrote; raw objects are read back, and letters among them would be
/// taken for such.
pub(super) fn check(context: &Context<'_>, graphs: &[Drafted], stores: &Stores) {
    let mut taken: Vec<Place<'_>> = Vec::new();
    for node in graphs.iter().flat_map(|drafted| &drafted.nodes) {
        let Some(place) = place(node, stores) else { continue };
        let report = |message: String| {
            context.report(Report {
                at: node.at,
                path: &node.path,
                value: None,
                message,
                remedy: "give one of them another prefix: prefix = \"second/\"".to_owned(),
            });
        };
        let whole = place.whole();
        if let Some(first) = taken.iter().find(|other| other.whole() == whole) {
            let first = &first.node.path;
            report(format!("{} writes to the same store and prefix as {first}", node.path));
            continue;
        }
        if let Some(first) = taken.iter().find(|other| is_mingled(other, &place)) {
            let first = &first.node.path;
            report(format!("{} writes among the objects of {first}", node.path));
            continue;
        }
        taken.push(place);
    }
}

/// Exports have layouts that keep them apart; raw objects are found by their prefix alone.
fn is_mingled(a: &Place<'_>, b: &Place<'_>) -> bool {
    let has_queue = [a, b].iter().any(|place| matches!(place.node.kind, NodeKind::Queue(_)));
    has_queue && (a.holds(b) || b.holds(a))
}

fn place<'n>(node: &'n Node, stores: &Stores) -> Option<Place<'n>> {
    let (name, prefix) = match &node.kind {
        NodeKind::Files(sink) => (&sink.store, &sink.prefix),
        NodeKind::Queue(queue) => (&queue.store, &queue.prefix),
        NodeKind::Letters(letters) => (&letters.store, &letters.prefix),
        NodeKind::Windows(_)
        | NodeKind::Dedup
        | NodeKind::Split
        | NodeKind::Merge(_)
        | NodeKind::Rows(_)
        | NodeKind::Unknown => return None,
    };
    let store = stores.get(name)?.as_ref()?;
    let base = match &store.kind {
        StoreKind::Local(path) => path.display().to_string(),
        _ => store.url.clone(),
    };
    let endpoint = store.options.get("endpoint").map_or("", |endpoint| endpoint.reveal());
    Some(Place {
        node,
        store: format!("{endpoint} {}", base.trim_end_matches('/')),
        prefix,
    })
}
