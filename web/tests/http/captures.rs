//! What real clients sent, once more.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::Server;

#[test]
fn captured_requests_of_real_clients() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/sdk");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("no captures here");
        return;
    };
    let server = Server::start(|_| {});
    let (mut seen, mut damaged) = (0, 0);
    for file in files.map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix(".headers.json") else {
            continue;
        };
        let request: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let body = ["pb.gz", "pb", "json"]
            .iter()
            .find_map(|end| std::fs::read(folder.join(format!("{stem}.{end}"))).ok())
            .unwrap();
        if is_head(&body) {
            eprintln!("{name}: its body file holds a request's head, so it is not replayed");
            damaged += 1;
            continue;
        }
        let headers: Vec<(&str, &str)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !["host", "content-length", "transfer-encoding"].contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let answer = server.send("POST", request["path"].as_str().unwrap(), &headers, &body);
        assert!((200..300).contains(&answer.status), "{name}: {answer:?}");
        if answer.status == 207 {
            assert_eq!(answer.json()["errors"], json!([]), "{name}");
        }
        seen += 1;
    }
    assert_eq!(server.raws().len(), seen);
    assert_eq!(seen + damaged, 8);
}

/// Whether a capture's head is where its body should be.
fn is_head(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    ["method", "path", "headers"].iter().all(|key| value.get(key).is_some())
}
