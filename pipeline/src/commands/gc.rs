//! `gc`: removes what no manifest names, and what killed processes left half-written.
//!
//! Removes nothing of an export without owning it, so never under a living exporter.

use clap::Args;
use tracemill_model::Window;
use tracemill_model::manifest::ManifestName;
use tracemill_operators::Clock;
use tracemill_sinks::commit::fence::{Owner, holder};
use tracemill_sinks::commit::{Catalog, Fence};

use super::GraphArg;
use super::run::ChoiceArgs;
use crate::PipelineError;
use crate::bars::say;
use crate::session::load;
use crate::shelf::{Shelf, shelves};

/// Arguments of `gc`.
#[derive(Debug, Args)]
pub(super) struct GcArgs {
    #[command(flatten)]
    graph: GraphArg,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    choice: ChoiceArgs,
}

/// `tracemill gc`. Goes on to the next export where one is owned by another exporter, and ends with that error.
pub(super) async fn gc(args: GcArgs) -> Result<(), PipelineError> {
    let choice = args.choice.choice()?;
    let checked = load(&args.graph.graph)?;
    let clock = Clock::system();
    let run = format!("gc-{}-{}", clock.now().file_stem(), std::process::id());
    let owner = Owner::this_process(run, clock.now());
    let mut ended = Ok(());
    let mut removed = 0;
    for shelf in shelves(&checked, &choice).await? {
        let cleaned = if args.dry_run {
            look(&shelf, &clock).await
        } else {
            clean(&shelf, &owner, &clock).await
        };
        match cleaned {
            Ok(objects) => removed += objects,
            Err(error) => {
                say(&format!("{} {}: left alone: {error}", shelf.route, shelf.catalog.key));
                ended = ended.and(Err(error));
            }
        }
    }
    let verb = if args.dry_run { "would be removed" } else { "removed" };
    say(&format!("{removed} objects {verb}"));
    ended
}

/// The folders in which a killed process may have left half of a file.
fn folders(catalog: &Catalog) -> [String; 2] {
    let Catalog { layout, key, .. } = catalog;
    [layout.data_folder(key), layout.own_folder(key)]
}

/// What would be removed.
async fn look(shelf: &Shelf, clock: &Clock) -> Result<usize, PipelineError> {
    let catalog = &shelf.catalog;
    let mut paths = existing(catalog, catalog.garbage().await?).await?;
    for folder in folders(catalog) {
        paths.extend(
            catalog
                .store
                .stale_uploads(&folder)
                .await?
                .into_iter()
                .map(|entry| entry.path),
        );
    }
    for path in &paths {
        say(&catalog.store.location(path));
    }
    if let Some(holder) = holder(catalog, clock.now())
        .await?
        .filter(|holder| holder.alive && !paths.is_empty())
    {
        say(&format!(
            "{} {}: {} is at work, so nothing would be removed now",
            shelf.route, catalog.key, holder.owner
        ));
        return Ok(0);
    }
    Ok(paths.len())
}

/// Of garbage, what is there: names of letters are guessed from those of manifests.
async fn existing(catalog: &Catalog, garbage: Vec<String>) -> Result<Vec<String>, PipelineError> {
    if garbage.is_empty() {
        return Ok(garbage);
    }
    let mut there = std::collections::BTreeSet::new();
    for folder in folders(catalog) {
        let entries = catalog.store.list(&folder, 16_000_000).await?;
        there.extend(entries.into_iter().map(|entry| entry.path));
    }
    Ok(garbage.into_iter().filter(|path| there.contains(path)).collect())
}

async fn clean(shelf: &Shelf, owner: &Owner, clock: &Clock) -> Result<usize, PipelineError> {
    let catalog = &shelf.catalog;
    // Nothing to remove is nothing to own: a look costs no token.
    let mut is_clean = catalog.garbage().await?.is_empty();
    for folder in folders(catalog) {
        is_clean &= catalog.store.stale_uploads(&folder).await?.is_empty();
    }
    if is_clean {
        return Ok(0);
    }
    let (fence, intent) = Fence::claim(catalog, owner, clock.now()).await?;
    let removed = remove(catalog, intent, clock).await;
    fence.hand_on(intent, clock.now()).await?;
    let removed = removed?;
    say(&format!("{} {}: {removed} objects removed", shelf.route, catalog.key));
    Ok(removed)
}

/// What the last owner was about to commit stays: it may still do so, and then its manifest names these files.
async fn remove(catalog: &Catalog, intent: Option<(Window, u32)>, clock: &Clock) -> Result<usize, PipelineError> {
    let names = catalog.names().await?;
    let kept = intent
        .filter(|(window, generation)| {
            let name = ManifestName {
                window: *window,
                generation: *generation,
            };
            !names.contains(&name)
        })
        .map(|(window, generation)| (catalog.layout.stem(window), generation));
    let mut garbage = existing(catalog, catalog.garbage().await?).await?;
    garbage.retain(|path| {
        let name = catalog.layout.parse(path).map(|name| (name.stem, name.generation));
        kept.is_none() || name != kept
    });
    if !garbage.is_empty() {
        catalog.store.delete(&garbage).await?;
    }
    let mut removed = garbage.len();
    for folder in folders(catalog) {
        removed += catalog.store.remove_stale_uploads(&folder, clock.now()).await?;
    }
    Ok(removed)
}
