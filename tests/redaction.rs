//! No secret is in anything that the program shows, writes or sends to be read, whoever repeats it and however.

use std::io::{Read as _, Write as _};
use std::path::Path;

use crate::support::servers::{Receiver, answers};
use crate::support::{Desk, Done, SCENARIO};

/// With everything in it that some language quotes.
const SECRET: &str = "S3k\"r't & 100%/läßt+es";

const HEAD: &str = "[runbook]\nname = \"redaction\"\nowners = [\"ops\"]\non_failure = \"stop\"\n\
    [target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
    [inputs]\nkey = { secret = true, env = \"KEY\", rehearsal = '''S3k\"r't & 100%/läßt+es''' }\n";

/// What nobody may find: the secret, and parts of it.
const PARTS: [&str; 4] = ["S3k", "läßt", "%C3%A4", "l\\u00e4"];

/// Everything that a command said, and every file that it left.
fn everything(desk: &Desk, done: &Done) -> String {
    fn files(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                files(&entry.path(), all);
            } else if entry.file_name() != "runbook.toml" {
                // The runbook has what stands for its secret in a rehearsal.
                all.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut all = format!("{}{}", done.stdout, done.stderr);
    files(&desk.path("rectify"), &mut all);
    all
}

fn must_not_show(all: &str, what: &str) {
    for part in PARTS {
        assert!(!all.contains(part), "{what}: {part:?} is in\n{all}");
    }
}

/// Runs a gate on this probe to its end, with every kind of output, and says what came of it.
fn look(desk: &Desk, probe: &str) -> String {
    let text = format!(
        "{HEAD}{probe}\n[[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"look\"\nuses = \"probe\"\n\
         gate = {{ healthy = [\"it\"], for = \"1s\", every = \"1s\", timeout = \"9s\", max_unhealthy = 2, max_broken = 2 }}\n"
    );
    let file = desk.write("redaction.toml", &text);
    let events = desk.path("events.jsonl").display().to_string();
    let flags = ["run", &file, "--sim", SCENARIO, "--speed", "1", "--yes", "-vv", "--events", &events];
    let done = desk.rectify(&flags);
    let mut all = everything(desk, &done);
    for format in ["html", "markdown", "json"] {
        let report = desk.rectify(&["report", "--sim", "--format", format]).code(0);
        all.push_str(&report.stdout);
    }
    all.push_str(&std::fs::read_to_string(events).unwrap());
    must_not_show(&all, probe);
    all
}

/// What a server read in a request's header `x-key`.
fn key(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("x-key: ")).unwrap_or_default();
    line.to_owned()
}

#[test]
fn what_a_peer_repeats_of_a_secret_is_not_shown() {
    let headers = "headers = { X-Key = \"${inputs.key}\" }\nexpect = 'status == 200'";
    let port = answers(|stream, head| {
        let key = key(head);
        assert!(!key.is_empty(), "the secret must have reached the peer");
        // In the user info, the path, the query and the fragment of where it leads.
        let key = key.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
        let _ =
            write!(stream, "HTTP/1.1 302 F\r\nlocation: http://u:{key}@127.0.0.2:1/cb/{key}?code={key}#{key}\r\n\r\n");
    });
    let desk = Desk::new();
    let all = look(&desk, &format!("[probes.it]\nhttp = \"http://127.0.0.1:{port}/\"\nredirects = 1\n{headers}"));
    assert!(all.contains("it redirects to "), "{all}");
    let port = answers(|stream, _| {
        let body =
            serde_json::json!({ "weird": format!("{SECRET} no host"), "token": format!("tok-{SECRET}") }).to_string();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    });
    let desk = Desk::new();
    let probe = format!(
        "[probes.k]\nhttp = \"http://127.0.0.1:{port}/\"\n{headers}\n\
         [[probes.it.flow]]\nname = \"in\"\nhttp = \"http://127.0.0.1:{port}/\"\nexpect = 'status == 200'\ncapture = {{ weird = \"/weird\" }}\n\
         [[probes.it.flow]]\nname = \"use\"\nhttp = \"http://127.0.0.1:{port}/?q=${{flow.weird}}\"\nexpect = 'json.weird == \"x\"'\n"
    );
    look(&desk, &probe);
}

#[test]
fn what_a_program_says_of_a_secret_is_not_shown_however_it_encodes_it() {
    let desk = Desk::new();
    let script = "printf '%s\\n' \"$KEY\"; printf %s \"$KEY\" | base64; printf 'user:%s' \"$KEY\" | base64 -w 20; printf '%q\\n' \"$KEY\"; \
        printf %s \"$KEY\" | od -An -tx1 | tr -d ' \\n'; printf '%s' \"$KEY\" | tr a-z A-Z; printf %s \"$KEY\" | head -c 11 >&2; \
        printf %s \"$KEY\" | tail -c +12 >&2; exit 3";
    let text = format!(
        "{HEAD}[[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"say\"\nuses = \"shell\"\nirreversible = true\n\
         with = {{ shell = \"bash\", run = ''' {} ''', env = {{ KEY = \"${{inputs.key}}\" }} }}\n",
        script.replace('\n', " ")
    );
    let file = desk.write("redaction.toml", &text);
    let flags =
        ["run", &file, "--sim", SCENARIO, "--speed", "max", "--yes", "--run-programs", "--acknowledge", "say", "-vv"];
    let done = desk.rectify(&flags);
    let all = everything(&desk, &done);
    must_not_show(&all, script);
    for encoded in ["UzNrInI", "5331", "53336b", "S3K"] {
        assert!(!all.contains(encoded), "{encoded} is in\n{all}");
    }
    assert!(all.contains("${inputs.key}"), "{all}");
}

#[test]
fn a_secret_that_is_too_short_is_refused_and_not_shown() {
    let desk = Desk::new();
    let text = format!(
        "{HEAD}[probes.it]\nhttp = \"http://127.0.0.1:1/\"\nheaders = {{ X-Key = \"${{inputs.key}}\" }}\nexpect = 'status == 200'\n\
         [[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"look\"\nuses = \"probe\"\ngate = {{ healthy = [\"it\"], for = \"1s\" }}\n"
    );
    let file = desk.write("redaction.toml", &text);
    for command in [&["run", "--yes"][..], &["probe"]] {
        let done = desk.rectify_knowing(("KEY", "§7"), &[command, &[&file, "--env", "KEY"]].concat()).code(2);
        let done = done.complains("secret-too-short").complains("at least 4 characters");
        assert!(!done.stderr.contains("§7") && !done.stdout.contains("§7"), "{}{}", done.stdout, done.stderr);
    }
}

/// What a flow's server got, request by request, of a password with everything in it that some language quotes.
#[test]
fn a_secret_arrives_as_it_is_whatever_is_in_it() {
    let receiver = Receiver::start(|_| (200, serde_json::json!({ "token": SECRET, "id": 7 }).to_string()));
    let url = &receiver.url;
    let request = |name: &str, path: &str, rest: &str| {
        format!(
            "[[probes.it.flow]]\nname = \"{name}\"\nhttp = \"{url}/{path}\"\nmethod = \"POST\"\nexpect = 'status == 200'\n{rest}\n"
        )
    };
    let flow = [
        request("text", "text", "body = '{\"a\":\"<${inputs.key}>\"}'\ncapture = { t = \"/token\", id = \"/id\" }"),
        request("json", "json", "json = { a = [\"${inputs.key}\", 1, 1.5, true], b = { \"c\\\"\" = \"${flow.t}\" } }"),
        request("form", "form", "form = { a = \"${inputs.key}\", \"b&\" = \"${flow.t}\", n = 7 }"),
        request(
            "query",
            "p/${flow.t}/q?x=1&y=${flow.t}",
            "query = { a = \"${inputs.key}\" }\nbody = '{\"id\":${flow.id}}'",
        ),
    ];
    let desk = Desk::new();
    look(&desk, &flow.concat());
    let got = receiver.got();
    let [text, json, form, query, ..] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!(text.json(), serde_json::json!({ "a": format!("<{SECRET}>") }));
    assert_eq!(json.json(), serde_json::json!({ "a": [SECRET, 1, 1.5, true], "b": { "c\"": SECRET } }));
    assert_eq!(json.headers["content-type"], "application/json");
    let pairs = |text: &str| -> Vec<(String, String)> {
        reqwest::Url::parse(&format!("http://x/?{text}")).unwrap().query_pairs().into_owned().collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let sent = String::from_utf8(form.body.clone()).unwrap();
    assert_eq!(pairs(&sent), [pair("a", SECRET), pair("b&", SECRET), pair("n", "7")]);
    assert_eq!(form.headers["content-type"], "application/x-www-form-urlencoded");
    let (path, asked) = query.path.split_once('?').unwrap();
    assert_eq!(pairs(asked), [pair("x", "1"), pair("y", SECRET), pair("a", SECRET)]);
    let path = percent_encoding::percent_decode_str(path.strip_prefix("/p/").unwrap()).decode_utf8().unwrap();
    assert_eq!(path, format!("{SECRET}/q"));
    assert_eq!(query.json(), serde_json::json!({ "id": 7 }));
}

/// A PostgreSQL that declines TLS, asks for the password in clear text, and repeats it. What it was told is sent on.
fn declines_tls() -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, got) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let told = told.clone();
            std::thread::spawn(move || -> std::io::Result<()> {
                fn message(stream: &mut std::net::TcpStream) -> std::io::Result<Vec<u8>> {
                    let mut length = [0; 4];
                    stream.read_exact(&mut length)?;
                    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
                    stream.read_exact(&mut body)?;
                    Ok(body)
                }
                let mut first = message(&mut stream)?;
                let _ = told.send(format!("begins with {:?}", first.get(..4)));
                if first == [4, 210, 22, 47] {
                    stream.write_all(b"N")?;
                    first = message(&mut stream)?;
                    let _ = told.send(format!("goes on with {:?}", first.get(..4)));
                }
                stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
                stream.read_exact(&mut [0])?;
                let password = message(&mut stream)?;
                let _ = told.send(String::from_utf8_lossy(&password).trim_end_matches('\0').to_owned());
                let error =
                    [b"SFATAL\0C28P01\0Mpassword ", password.strip_suffix(b"\0").unwrap(), b" is wrong\0\0"].concat();
                stream.write_all(b"E")?;
                stream.write_all(&u32::try_from(error.len() + 4).unwrap().to_be_bytes())?;
                stream.write_all(&error)
            });
        }
    });
    (port, got)
}

#[test]
fn a_database_that_declines_tls_is_told_no_password_unless_the_runbook_says_so() {
    for declined in
        ["postgres://u:${inputs.key}@127.0.0.1:PORT/db", "postgres://u:${inputs.key}@127.0.0.1:PORT/db?sslmode=prefer"]
    {
        let (port, got) = declines_tls();
        let desk = Desk::new();
        let all =
            look(&desk, &format!("[probes.it]\npostgres = \"{}\"\n", declined.replace("PORT", &port.to_string())));
        assert!(all.contains("does not offer TLS"), "{all}");
        let told: Vec<String> = got.try_iter().collect();
        assert!(!told.is_empty() && told.iter().all(|told| told.starts_with("begins with")), "{told:?}");
    }
    for meant in [
        "{ host = \"127.0.0.1\", port = PORT, user = \"u\", password = \"${inputs.key}\", tls = \"off\" }",
        "\"postgres://u:${inputs.key}@127.0.0.1:PORT/db?sslmode=disable\"",
    ] {
        let (port, got) = declines_tls();
        let desk = Desk::new();
        let all = look(&desk, &format!("[probes.it]\npostgres = {}\n", meant.replace("PORT", &port.to_string())));
        assert!(got.try_iter().any(|told| told == SECRET), "the password must have reached the peer as it is");
        assert!(all.contains("PostgreSQL says: password ${inputs.key} is wrong"), "{all}");
    }
}
