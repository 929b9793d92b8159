//! What real clients sent, once more.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::Server;

#[test]
fn captured_requests_of_real_clients() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/sdk");
    let server = Server::start(|_| {});
    let mut seen = 0;
    for file in std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix(".headers.json") else {
            continue;
        };
        let request: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let body = ["pb.gz", "pb", "json"]
            .iter()
            .find_map(|end| std::fs::read(folder.join(format!("{stem}.{end}"))).ok())
            .unwrap();
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
        let raws = server.raws();
        let raw = raws.last().unwrap();
        assert_eq!(raws.len(), seen, "{name}: one raw object a request");
        let sdk = |part: &str| {
            let value = |name: String| request["headers"][name].as_str().map(str::to_owned);
            value(format!("x-langfuse-sdk-{part}")).or_else(|| value(format!("x_langfuse_sdk_{part}")))
        };
        let found = (raw.sdk.name.as_deref(), raw.sdk.version.as_deref());
        assert_eq!(found, (sdk("name").as_deref(), sdk("version").as_deref()), "{name}");
    }
    assert_eq!(seen, 8);
}
