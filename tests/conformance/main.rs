//! `RECTIFY_E2E_PROJECT=… cargo test --test conformance`: plays each typed action once on throw-away resources of a real project,
//! deletes them again, and prints how Google's answers differ from the simulated cloud's. See docs/conformance.md.
//!
//! Never in CI: without the variable it says that it was left out. `RECTIFY_E2E_SIM=http://127.0.0.1:PORT` puts a simulated cloud
//! into Google's place, to try out the run itself.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "it drives the program from outside, and speaks to whoever started it"
)]

mod play;

use std::io::Read as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use play::{CloudUnderTest, Played, Stage, differences, play, report, scenario};

fn main() -> ExitCode {
    let Some(project) = variable("RECTIFY_E2E_PROJECT") else {
        println!("conformance: left out; RECTIFY_E2E_PROJECT names no project (docs/conformance.md)");
        return ExitCode::SUCCESS;
    };
    match conform(project) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("conformance: {why}");
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn conform(project: String) -> Result<(), String> {
    let region = variable("RECTIFY_E2E_REGION").unwrap_or_else(|| "us-central1".to_owned());
    let image = variable("RECTIFY_E2E_IMAGE").ok_or("RECTIFY_E2E_IMAGE names no image by its digest")?;
    let range = variable("RECTIFY_E2E_RANGE").unwrap_or_else(|| "10.8.240.0/28".to_owned());
    let cloud = match variable("RECTIFY_E2E_SIM") {
        Some(url) => CloudUnderTest::Simulated { url },
        None => CloudUnderTest::Google { token: token()? },
    };
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_secs();
    // A connector's name has less than 21 characters, and a hyphen counts as two.
    let name = format!("rectify-{seconds:x}");
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let stage = Stage { project, region, name, image, range, cloud };
    println!("If this is killed, delete by hand what it has made:\n\n{}", stage.by_hand());
    let real = play(&stage, folder.path());

    let twin = Twin::start(&stage, folder.path())?;
    let Stage { project, region, name, image, range, .. } = stage;
    let cloud = CloudUnderTest::Simulated { url: twin.url.clone() };
    let twin_folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let simulated = play(&Stage { project, region, name, image, range, cloud }, twin_folder.path());
    println!("{}", report(&differences(&real.exchanges, &simulated.exchanges)));
    whole(real).and_then(|()| whole(simulated).map_err(|why| format!("on the simulated cloud: {why}")))
}

fn whole(Played { trouble, left, .. }: Played) -> Result<(), String> {
    let left = left.into_iter().map(|left| format!("not deleted: {left}"));
    let all: Vec<String> = trouble.into_iter().chain(left).collect();
    if all.is_empty() { Ok(()) } else { Err(all.join("\n")) }
}

/// A token of the application-default credentials, which are also what the program itself uses.
fn token() -> Result<String, String> {
    let gcloud = Command::new("gcloud").args(["auth", "application-default", "print-access-token"]).output();
    let gcloud = gcloud.map_err(|error| format!("gcloud gives no token: {error}"))?;
    if !gcloud.status.success() {
        return Err("gcloud gives no token: run `gcloud auth application-default login`".to_owned());
    }
    Ok(String::from_utf8_lossy(&gcloud.stdout).trim().to_owned())
}

/// A simulated cloud in a process of its own, for comparison.
struct Twin {
    process: Child,
    url: String,
}

impl Twin {
    fn start(stage: &Stage, folder: &std::path::Path) -> Result<Twin, String> {
        let file = folder.join("twin.sim.toml");
        std::fs::write(&file, scenario(&stage.project, &stage.region)).map_err(|error| error.to_string())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_rectify"));
        command.arg("simulate").arg(&file).args(["--speed", "max"]).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        // Its first line says where it is.
        let mut said = String::new();
        let mut out = process.stdout.take().ok_or("the simulated cloud says nothing")?;
        let mut byte = [0];
        while !said.ends_with('\n') && out.read(&mut byte).is_ok_and(|read| read == 1) {
            said.push(char::from(byte[0]));
        }
        let url = said.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")).map(str::to_owned);
        let url = url.ok_or_else(|| format!("the simulated cloud does not say where it is, but {said:?}"))?;
        Ok(Twin { process, url })
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
