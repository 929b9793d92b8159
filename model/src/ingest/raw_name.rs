//! The names of raw objects say how to read them, so that a job can be made again from the store alone.
//!
//! ```text
//!   <prefix><project>/raw/2026/02/25/12/1772020800123-<id>_python_5.0.4.otlp.pb.gz
//!                                       received ms        client        form  encoding
//! ```

use super::{Access, Encoding, Holds, Job, RawForm, Sdk, Text};
use crate::Millis;

/// The folder of a project's raw objects, below the prefix and the project.
const FOLDER: &str = "/raw/";

const FORMS: [(RawForm, &str); 3] = [
    (RawForm::Events, ".events.json"),
    (RawForm::OtlpProtobuf, ".otlp.pb"),
    (RawForm::OtlpJson, ".otlp.json"),
];

const ENCODINGS: [(Encoding, &str); 2] = [(Encoding::Gzip, ".gz"), (Encoding::Zstd, ".zst")];

/// The path of a new object. `id` must be unique, and of letters, digits and `-`.
///
/// # Panics
/// Never for the forms that we write; the reference's stored form has its own names.
#[must_use]
pub fn path(
    prefix: &str,
    project: &str,
    received: Millis,
    id: &str,
    form: RawForm,
    encoding: Encoding,
    sdk: &Sdk,
) -> String {
    let hour = received.0.div_euclid(3_600_000).rem_euclid(24);
    let date = received.date().replace('-', "/");
    let mut path = format!("{prefix}{project}{FOLDER}{date}/{hour:02}/{:013}-{id}", received.0);
    if let Some(name) = &sdk.name {
        path.push('_');
        path.push_str(&plain(name));
        if let Some(version) = &sdk.version {
            path.push('_');
            path.push_str(&plain(version));
        }
    }
    path.push_str(
        FORMS
            .iter()
            .find(|(own, _)| *own == form)
            .map_or(".events.json", |(_, end)| end),
    );
    path.push_str(
        ENCODINGS
            .iter()
            .find(|(own, _)| *own == encoding)
            .map_or("", |(_, end)| end),
    );
    path
}

/// The part of a client's own words that a path can hold.
fn plain(text: &str) -> String {
    let keep = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '+');
    text.chars()
        .take(40)
        .map(|char| if keep(char) { char } else { '-' })
        .collect()
}

/// The job of an object of that path; `None`: it is no raw object. Knows our own names and the reference's two layouts.
/// `modified` stands for the time of receipt where the name has none.
#[must_use]
pub fn job_of(prefix: &str, path: &str, modified: Millis) -> Option<Job> {
    let below = path.strip_prefix(prefix)?;
    own(path, below)
        .or_else(|| reference(path, below, modified))
        .filter(|job| !job.project.is_empty())
}

fn own(path: &str, below: &str) -> Option<Job> {
    let (project, rest) = below.split_once(FOLDER)?;
    let name = rest.rsplit('/').next()?;
    let (encoding, name) = ENCODINGS
        .iter()
        .find_map(|(encoding, end)| Some((*encoding, name.strip_suffix(end)?)))
        .unwrap_or((Encoding::Identity, name));
    let (form, name) = FORMS
        .iter()
        .find_map(|(form, end)| Some((*form, name.strip_suffix(end)?)))?;
    let (stem, client) = name
        .split_once('_')
        .map_or((name, None), |(stem, client)| (stem, Some(client)));
    let received: i64 = stem.split_once('-')?.0.parse().ok()?;
    let (sdk, version) = match client {
        Some(client) => client
            .split_once('_')
            .map_or((Some(client), None), |(sdk, version)| (Some(sdk), Some(version))),
        None => (None, None),
    };
    let sdk = Sdk {
        name: sdk.map(Text::from),
        version: version.map(Text::from),
    };
    Some(job(project, path, form, encoding, Millis(received), sdk))
}

fn reference(path: &str, below: &str, modified: Millis) -> Option<Job> {
    if !below.ends_with(".json") {
        return None;
    }
    let mut parts = below.split('/');
    let (first, second) = (parts.next()?, parts.next()?);
    let (project, form) = if first == "otel" {
        (second, RawForm::OtlpStored)
    } else {
        super::EntityKind::parse(second)?;
        (first, RawForm::Events)
    };
    Some(job(project, path, form, Encoding::Identity, modified, Sdk::default()))
}

fn job(project: &str, path: &str, form: RawForm, encoding: Encoding, received: Millis, sdk: Sdk) -> Job {
    Job {
        project: project.into(),
        object: path.into(),
        form,
        encoding,
        bytes: 0,
        holds: Holds::default(),
        received,
        sdk,
        access: Access::Project,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_to_read_its_object() {
        let sdk = Sdk {
            name: Some("py_thon".into()),
            version: Some("5.0.4".into()),
        };
        for form in FORMS.map(|(form, _)| form) {
            for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
                for sdk in [&Sdk::default(), &sdk] {
                    let path = path("events/", "p-1", Millis(1_772_020_800_123), "0a-b", form, encoding, sdk);
                    let job = job_of("events/", &path, Millis(0)).expect("a raw object");
                    assert_eq!(
                        (&*job.project, job.form, job.encoding, job.received),
                        ("p-1", form, encoding, Millis(1_772_020_800_123))
                    );
                    assert_eq!(job.sdk.version, sdk.version);
                    assert_eq!(job.sdk.name.as_deref(), sdk.name.as_ref().map(|_| "py-thon"));
                    assert!(
                        path.starts_with("events/p-1/raw/2026/02/25/12/1772020800123-0a-b"),
                        "{path}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_reference_has_two_layouts() {
        let at = Millis(7);
        let job = job_of("events/", "events/otel/p/2026/02/25/12/30/u.json", at).expect("a batch of spans");
        assert_eq!((&*job.project, job.form, job.received), ("p", RawForm::OtlpStored, at));
        let job = job_of("events/", "events/p/trace/a/b/f.json", at).expect("an entity's file");
        assert_eq!((&*job.project, job.form), ("p", RawForm::Events));
        for other in [
            "letters/p/x.json",
            "events/p/media/x.json",
            "events/p/trace/a/f.txt",
            // Of no project.
            "events//trace/a/f.json",
            "events/otel//a.json",
            "events//raw/2026/02/25/12/1772020800123-a.events.json",
        ] {
            assert_eq!(job_of("events/", other, at), None, "{other}");
        }
    }
}
