//! Where client secrets come from: a file, the environment, a program, a systemd credential. The hard
//! thing is to let them go nowhere else: no shell, no argument, no environment of a child.

use std::{
    collections::HashMap,
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{Secrets, mistake::SourceFile, text::SecretText};
use crate::{
    platform::{self, reach},
    secret::Secret,
};

/// Reads each source once, however many accounts share it.
pub(super) struct SecretReader {
    mode: Secrets,
    /// Of the account at hand, where only one account's secrets are read.
    chosen: bool,
    seen: HashMap<String, Result<Secret, String>>,
    files: Vec<PathBuf>,
    programs: Vec<String>,
}

impl SecretReader {
    pub(super) fn new(mode: Secrets) -> Self {
        Self { mode, chosen: false, seen: HashMap::new(), files: Vec::new(), programs: Vec::new() }
    }

    /// What is read from now on belongs to an account of which this says whether it has a login name.
    pub(super) fn begin(&mut self, has: impl FnOnce(&str) -> bool) {
        self.chosen = matches!(&self.mode, Secrets::Of(chosen) if has(chosen));
    }

    /// Whether secrets are read at all.
    pub(super) fn may_read(&self) -> bool {
        match self.mode {
            Secrets::Read => true,
            Secrets::Of(_) => self.chosen,
            Secrets::Skip => false,
        }
    }

    /// The files that were read, or should have been.
    pub(super) fn take_files(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.files)
    }

    /// The programs that tell secrets.
    pub(super) fn take_programs(&mut self) -> Vec<String> {
        std::mem::take(&mut self.programs)
    }

    /// The secret, or what is wrong and how to put it right. Without leave to read, an empty secret.
    pub(super) fn read(
        &mut self,
        file: &SourceFile,
        source: &SecretText,
    ) -> Result<Secret, String> {
        if let SecretText::Env(name) = source {
            platform::hide(name);
        }
        if !self.may_read() {
            return Ok(Secret::default());
        }
        if let SecretText::Command(words) = source {
            self.programs.extend(words.first().cloned());
        }
        self.files.extend(file_of(file, source));
        let key = format!("{}\n{source:?}", file.path().display());
        self.seen.entry(key).or_insert_with(|| read(file, source)).clone()
    }
}

/// The file from which a secret comes, where that is known.
fn file_of(file: &SourceFile, source: &SecretText) -> Option<PathBuf> {
    match source {
        SecretText::File(path) => Some(file.resolve_path(path)),
        SecretText::Credential(name) => {
            Some(Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join(name))
        }
        SecretText::Env(_) | SecretText::Command(_) => None,
    }
}

fn read(file: &SourceFile, source: &SecretText) -> Result<Secret, String> {
    let secret = match source {
        SecretText::File(path) => {
            let path = file.resolve_path(path);
            refuse_shared(&path)?;
            read_file(&path)
        }
        SecretText::Credential(name) => read_credential(name),
        SecretText::Env(name) => match env::var(name) {
            Ok(value) => Ok(trimmed(value.into_bytes())),
            Err(_) => Err(format!("the environment variable {name} is not set")),
        },
        SecretText::Command(words) => run(words, COMMAND_TIMEOUT),
    }?;
    if secret.is_empty() { Err("the secret read there is empty".into()) } else { Ok(secret) }
}

fn read_file(path: &Path) -> Result<Secret, String> {
    let fault = |error| platform::unreadable(path, &error);
    let mut bytes = Vec::with_capacity(MAX_SECRET);
    let mut file = fs::File::open(path).map_err(fault)?.take(MAX_SECRET as u64);
    file.read_to_end(&mut bytes).map_err(fault)?;
    Ok(trimmed(bytes))
}

/// systemd protects the folder of credentials itself, and shows the files with a mode that an access
/// control list has changed: so the mode is not judged here.
fn read_credential(name: &str) -> Result<Secret, String> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(
            "is not a credential's name: write the name that LoadCredential= gives it".into()
        );
    }
    match env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) => read_file(&Path::new(&folder).join(name)),
        None => Err("there are no credentials here ($CREDENTIALS_DIRECTORY is not set): systemd \
                     gives them to the service by LoadCredential="
            .into()),
    }
}

/// Refuses a file that others can read.
pub(crate) fn refuse_shared(path: &Path) -> Result<(), String> {
    let open =
        platform::is_open_to_others(path).map_err(|error| platform::unreadable(path, &error))?;
    if !open {
        return Ok(());
    }
    Err(format!(
        "the file {0} is open to other users of this machine: run `chmod 600 {0}` (its owner must be \
         the user that saslgate runs as)",
        path.display()
    ))
}

/// Runs a program without a shell and takes what it prints.
fn run(words: &[String], patience: Duration) -> Result<Secret, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("names no program: write [\"program\", \"argument\", …]".into());
    };
    let fault = |error: io::Error| {
        let confined = error.kind() == io::ErrorKind::PermissionDenied && reach::left().is_some();
        let remedy = if confined { format!("; {}", reach::REMEDY) } else { String::new() };
        format!("the program {program} cannot be run: {error}{remedy}")
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(platform::environment_of_program())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(fault)?;
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::with_capacity(MAX_SECRET);
            let result = output.take(MAX_SECRET as u64).read_to_end(&mut bytes);
            // The receiver is gone when the program took too long.
            let _gone = sender.send(result.map(|_| trimmed(bytes)));
        });
    }
    let deadline = Instant::now() + patience;
    let output = receiver.recv_timeout(patience).ok();
    let (Some(output), Some(status)) = (output, wait_until(&mut child, deadline).map_err(fault)?)
    else {
        child.kill().and_then(|()| child.wait()).map_err(fault)?;
        return Err(format!(
            "the program {program} has not printed the secret and ended within {} seconds",
            patience.as_secs()
        ));
    };
    if !status.success() {
        return Err(format!("the program {program} failed ({status})"));
    }
    output.map_err(fault)
}

/// The standard library can wait for a child for ever, or not at all.
#[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            ended => return Ok(ended),
        }
    }
}

/// Without the one line end that editors and programs put last.
fn trimmed(mut bytes: Vec<u8>) -> Secret {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Secret::new(bytes)
}

const MAX_SECRET: usize = 64 * 1024;
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn source(folder: &Path) -> SourceFile {
        SourceFile::new(folder.join("saslgate.toml"), "")
    }

    #[track_caller]
    fn check(source: &SecretText, expected: Result<&str, &str>) {
        let secret = read(&self::source(Path::new("")), source);
        let secret = secret.as_ref().map(|it| str::from_utf8(it.expose()).unwrap_or("not UTF-8"));
        assert_eq!(secret.map_err(String::as_str), expected);
    }

    fn command(words: &[&str]) -> SecretText {
        SecretText::Command(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn a_file_gives_its_content_without_the_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "hunter2\r\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let written = SecretText::File("secret".into());
        let secret = read(&source(folder.path()), &written).unwrap();
        assert_eq!(secret.expose(), b"hunter2");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let fault = read(&source(folder.path()), &written).unwrap_err();
        let expected = format!(
            "the file {0} is open to other users of this machine: run `chmod 600 {0}` (its owner \
             must be the user that saslgate runs as)",
            path.display()
        );
        assert_eq!(fault, expected);
    }

    #[test]
    fn a_program_is_run_without_a_shell() {
        check(&command(&["printf", "%s\n\n", "$HOME;x"]), Ok("$HOME;x\n"));
        check(&command(&["false"]), Err("the program false failed (exit status: 1)"));
        check(&command(&["true"]), Err("the secret read there is empty"));
        check(&command(&[]), Err("names no program: write [\"program\", \"argument\", …]"));
        check(
            &command(&["no-such-program-here"]),
            Err(
                "the program no-such-program-here cannot be run: No such file or directory (os error 2)",
            ),
        );
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let endless = ["sh", "-c", "echo x; exec >&-; exec sleep 600"].map(str::to_owned);
        let fault = run(&endless, Duration::ZERO).unwrap_err();
        assert_eq!(fault, "the program sh has not printed the secret and ended within 0 seconds");
    }

    #[test]
    fn what_is_not_there_is_named() {
        check(
            &SecretText::Env("SASLGATE_NO_SUCH_VARIABLE".into()),
            Err("the environment variable SASLGATE_NO_SUCH_VARIABLE is not set"),
        );
        check(
            &SecretText::Credential("../x".into()),
            Err("is not a credential's name: write the name that LoadCredential= gives it"),
        );
    }
}
