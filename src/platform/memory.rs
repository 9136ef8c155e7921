//! Keeps this process's memory to itself: tokens and passwords are in it. The hard thing is that a core dump has two
//! doors: the limit closes the file, and only the kernel's own mark closes the pipe of a crash reporter, which
//! pays no heed to the limit. The same mark keeps debuggers of the same user out, and makes /proc/PID root's.

/// No core dump from now on, and, on Linux, nobody but root looks into this process. What a program does that is
/// started from here is its own affair. Elsewhere there is no such mark without unsafe code: macOS has it
/// for signed programs (the hardened runtime), on Windows other processes of the same user can look.
///
/// # Errors
/// The operating system does not let us; in words.
pub(crate) fn keep_private() -> Result<(), String> {
    #[cfg(unix)]
    no_core_file().map_err(|error| format!("core dumps cannot be switched off: {error}"))?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).map_err(|error| {
        format!("other processes of this user can look into this one's memory: {error}")
    })?;
    Ok(())
}

#[cfg(unix)]
fn no_core_file() -> nix::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    // A service manager that has set it may not let us do so again.
    if getrlimit(Resource::RLIMIT_CORE)? == (0, 0) {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
}
