//! `[access.PROJECT]`: the projects that may send, and their keys; one more comes from the variables with which
//! operators of Langfuse create a first project.

use tracemill_model::{ProjectId, Secret};

use super::checked::{Access, AccessKey, Intake, KeyProof, Organisation, Web};
use super::fault::{Context, listed};
use super::reader::{Section, Text};

const EXAMPLE: &str = "[access.PROJECT_ID]";
const KEYS_EXAMPLE: &str = "keys = [{ public = \"pk-lf-...\", secret = \"${LF_SECRET}\" }]";
/// The ways to give a secret key.
const PROOFS: [&str; 3] = ["secret", "fast_hash", "bcrypt"];

/// Who asks for keys.
pub(super) struct Asking {
    /// The section that does, if anybody does.
    section: Option<&'static str>,
    /// What fast hashes were made with.
    salt: Option<Secret>,
}

impl Asking {
    pub(super) fn of(root: &Section<'_>, intake: Option<&Intake>, web: Option<&Web>) -> Self {
        let section = match (intake, web) {
            (Some(_), _) => Some("intake"),
            (None, Some(_)) => Some("web"),
            // A section that cannot be read asks as well.
            (None, None) => ["intake", "web"].into_iter().find(|name| root.has(name)),
        };
        let salt = intake.map_or_else(
            || root.context.variable("SALT").map(Secret::new),
            |own| own.salt.clone(),
        );
        Self { section, salt }
    }
}

/// Reads every `[access.PROJECT]`, and the environment where somebody asks for keys.
pub(super) fn read(root: &Section<'_>, asking: &Asking) -> Vec<Access> {
    let section = root.section("access", EXAMPLE);
    if let Some(section) = section.as_ref().filter(|_| asking.section.is_none()) {
        let message = "[access] has keys, but without [intake] and [web] nobody is asked for one".to_owned();
        section.report(
            section.at,
            "",
            None,
            message,
            "add [intake] or [web], or remove [access]",
        );
    }
    let mut taken = Vec::new();
    let mut all = Vec::new();
    for (name, section) in section.iter().flat_map(|section| section.entries(EXAMPLE)) {
        let keys = keys(&section, asking, &mut taken);
        let name = project(&name, &section);
        section.finish();
        all.extend(name.map(|(project, name, organisation)| Access {
            project,
            name,
            organisation,
            keys,
        }));
    }
    if let Some(name) = asking.section {
        let own = of_environment(root.context, &all, &taken);
        if own.is_none() && !root.holds("access") {
            let message = format!("[{name}] knows no project, so nobody would be let in");
            let remedy = format!("add {EXAMPLE} with {KEYS_EXAMPLE}, or set LANGFUSE_INIT_PROJECT_ID and its keys");
            root.report(root.at_of(name), name, None, message, remedy);
        }
        all.extend(own.flatten());
    }
    all
}

fn project(id: &str, section: &Section<'_>) -> Option<(ProjectId, String, Option<Organisation>)> {
    let name = section.name("name").map(|name| name.value);
    let organisation = organisation(section);
    match ProjectId::new(id) {
        Ok(project) => Some((project, name.unwrap_or_else(|| id.to_owned()), organisation)),
        Err(_) => {
            let message = format!("{id:?} in access is no project id");
            let remedy = "an id becomes a folder: no slash, no control character, not empty, not \"..\"";
            section.report(section.at, "", Some(id), message, remedy);
            None
        }
    }
}

fn organisation(section: &Section<'_>) -> Option<Organisation> {
    if section.is_text("organisation") {
        let id = section.name("organisation")?.value;
        return Some(Organisation { name: id.clone(), id });
    }
    let example = "organisation = \"my-team\" or { id = \"my-team\", name = \"My team\" }";
    let section = section.section("organisation", example)?;
    if !section.has("id") {
        section.missing("id", format!("write {example}"));
    }
    let (id, name) = (section.name("id"), section.name("name"));
    section.finish();
    let id = id?.value;
    Some(Organisation {
        name: name.map_or_else(|| id.clone(), |name| name.value),
        id,
    })
}

/// Reads a project's keys. `taken` are the public keys of all projects so far.
fn keys(section: &Section<'_>, asking: &Asking, taken: &mut Vec<(String, String)>) -> Vec<AccessKey> {
    if !section.has("keys") {
        section.missing("keys", format!("write {KEYS_EXAMPLE}"));
    }
    if section.is_empty_list("keys") {
        let message = format!("keys in {} is an empty list, so nobody could send", section.path);
        section.report(
            section.at_of("keys"),
            "keys",
            None,
            message,
            format!("write {KEYS_EXAMPLE}"),
        );
    }
    let mut keys = Vec::new();
    for section in section.sections("keys", KEYS_EXAMPLE).unwrap_or_default() {
        if !section.has("public") {
            section.missing("public", "write the public key: public = \"pk-lf-...\"");
        }
        let public = section.name("public").filter(|public| is_public(&section, public));
        let proof = proof(&section, asking);
        section.finish();
        let Some(public) = public else { continue };
        if let Some((_, first)) = taken.iter().find(|(other, _)| *other == public.value) {
            let message = format!("the public key {:?} is there twice, also in {first}", public.raw);
            section.report(public.at, "public", Some(&public.raw), message, "keep one of the two");
            continue;
        }
        taken.push((public.value.clone(), section.path.clone()));
        keys.extend(proof.map(|proof| AccessKey {
            public: public.value,
            proof,
        }));
    }
    keys
}

fn is_public(section: &Section<'_>, public: &Text) -> bool {
    let message = if public.value.starts_with("sk-lf-") {
        format!("public in {} begins as secret keys do", section.path)
    } else if public
        .value
        .contains(|c: char| c == ':' || c.is_whitespace() || c.is_control())
    {
        format!("public in {} has a colon, a blank or a control character", section.path)
    } else {
        return true;
    };
    section.report(
        public.at,
        "public",
        None,
        message,
        "write the public key: public = \"pk-lf-...\"",
    );
    false
}

fn proof(section: &Section<'_>, asking: &Asking) -> Option<KeyProof> {
    let given: Vec<&str> = PROOFS.into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        [] => section.missing(
            "secret",
            "write secret = \"${LF_SECRET}\", or the key's fast_hash or bcrypt",
        ),
        [_] => {}
        _ => {
            let message = format!("{} has {}, and needs one of them", section.path, listed(&given));
            section.report(section.at, given[1], None, message, "keep one");
        }
    }
    let secret = section
        .name("secret")
        .map(|text| KeyProof::Secret(Secret::new(text.value)));
    let fast = section
        .name("fast_hash")
        .and_then(|text| fast_hash(section, &text, asking));
    let bcrypt = section.name("bcrypt").and_then(|text| bcrypt(section, &text));
    secret.or(fast).or(bcrypt)
}

fn fast_hash(section: &Section<'_>, text: &Text, asking: &Asking) -> Option<KeyProof> {
    let report = |message: String, remedy: &str| section.report(text.at, "fast_hash", None, message, remedy);
    if text.value.len() != 64 || !text.value.chars().all(|c| c.is_ascii_hexdigit()) {
        let message = format!("fast_hash in {} is not 64 hexadecimal digits", section.path);
        report(
            message,
            "copy fast_hashed_secret_key as it is, or write the secret itself: secret = \"${LF_SECRET}\"",
        );
        return None;
    }
    if asking.section.is_some() && asking.salt.is_none() {
        let message = format!("fast_hash in {} needs the salt that it was made with", section.path);
        report(message, "write salt = \"${SALT}\" in [intake], or set SALT");
    }
    Some(KeyProof::FastHash(Secret::new(text.value.to_ascii_lowercase())))
}

fn bcrypt(section: &Section<'_>, text: &Text) -> Option<KeyProof> {
    if is_bcrypt(&text.value) {
        return Some(KeyProof::Bcrypt(Secret::new(text.value.clone())));
    }
    let message = format!("bcrypt in {} is no hash of bcrypt", section.path);
    let remedy = "copy hashed_secret_key as it is: \"$2a$11$\" and 53 characters";
    section.report(text.at, "bcrypt", None, message, remedy);
    None
}

/// `$2b$11$` and 53 characters of bcrypt's own alphabet.
fn is_bcrypt(text: &str) -> bool {
    let mut parts = text.split('$');
    let mut next = || parts.next().unwrap_or_default();
    let (empty, version, cost, hash) = (next(), next(), next(), next());
    let is_cost = cost.len() == 2 && cost.parse::<u32>().is_ok_and(|cost| (4..=31).contains(&cost));
    let is_hash = hash.len() == 53
        && hash
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'));
    empty.is_empty() && matches!(version, "2a" | "2b" | "2y") && is_cost && is_hash && parts.next().is_none()
}

const INIT: &str = "LANGFUSE_INIT_PROJECT_ID";
const INIT_PUBLIC: &str = "LANGFUSE_INIT_PROJECT_PUBLIC_KEY";
const INIT_SECRET: &str = "LANGFUSE_INIT_PROJECT_SECRET_KEY";

/// The first project as Langfuse's headless initialisation has it. `None`: nothing is set; `Some(None)`: a fault, or a
/// project that the file describes itself.
#[expect(
    clippy::option_option,
    reason = "an absence that is reported differs from one that is not"
)]
fn of_environment(context: &Context<'_>, all: &[Access], taken: &[(String, String)]) -> Option<Option<Access>> {
    let of = |name: &str| context.variable(name);
    let (id, public, secret) = (of(INIT), of(INIT_PUBLIC), of(INIT_SECRET));
    if public.is_none() && secret.is_none() {
        return None;
    }
    let unset = [(INIT, &id), (INIT_PUBLIC, &public), (INIT_SECRET, &secret)];
    let is_in_file = |id: &String| all.iter().any(|access| access.project.as_str() == id);
    if id.as_ref().is_some_and(is_in_file) {
        return Some(None);
    }
    for (name, _) in unset.iter().filter(|(_, value)| value.is_none()) {
        let message = format!("{name} is not set, but others of LANGFUSE_INIT_PROJECT_* are");
        context.report_variable(name, &message, &format!("set {name} too, or none of them"));
    }
    let (Some(id), Some(public), Some(secret)) = (id, public, secret) else {
        return Some(None);
    };
    if let Some((_, first)) = taken.iter().find(|(other, _)| *other == public) {
        let message = format!("the public key of {INIT_PUBLIC} is there twice, also in {first}");
        context.report_variable(INIT_PUBLIC, &message, "keep one of the two");
    }
    let Ok(project) = ProjectId::new(id.clone()) else {
        context.report_variable(
            INIT,
            &format!("{INIT} is no project id"),
            "an id becomes a folder: no slash",
        );
        return Some(None);
    };
    let organisation = of("LANGFUSE_INIT_ORG_ID").map(|org| Organisation {
        name: of("LANGFUSE_INIT_ORG_NAME").unwrap_or_else(|| org.clone()),
        id: org,
    });
    Some(Some(Access {
        project,
        name: of("LANGFUSE_INIT_PROJECT_NAME").unwrap_or(id),
        organisation,
        keys: vec![AccessKey {
            public,
            proof: KeyProof::Secret(Secret::new(secret)),
        }],
    }))
}

#[cfg(test)]
mod tests {
    use super::is_bcrypt;

    #[test]
    fn knows_a_bcrypt_hash() {
        let hash = "abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01./9";
        assert_eq!(hash.len(), 53);
        assert!(is_bcrypt(&format!("$2a$11${hash}")) && is_bcrypt(&format!("$2b$04${hash}")));
        for wrong in [
            String::new(),
            hash.to_owned(),
            format!("$2c$11${hash}"),
            format!("$2a$3${hash}"),
            format!("$2a$11${hash}$"),
            format!("$2a$11${}", &hash[1..]),
            format!("$2a$11$-{}", &hash[1..]),
        ] {
            assert!(!is_bcrypt(&wrong), "{wrong}");
        }
    }
}
