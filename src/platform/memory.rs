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
    // Each door by itself, whatever came of the other.
    let core_file = no_core_file();
    let look = no_look();
    core_file.and(look)
}

#[cfg(unix)]
fn no_core_file() -> Result<(), String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let set = match getrlimit(Resource::RLIMIT_CORE) {
        // A service manager that has set it may not let us do so again.
        Ok((0, 0)) => Ok(()),
        _ => setrlimit(Resource::RLIMIT_CORE, 0, 0),
    };
    set.map_err(|error| format!("core dumps cannot be switched off: {error}"))
}

#[cfg(not(unix))]
fn no_core_file() -> Result<(), String> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn no_look() -> Result<(), String> {
    nix::sys::prctl::set_dumpable(false).map_err(|error| {
        format!("other processes of this user can look into this one's memory: {error}")
    })
}

#[cfg(not(target_os = "linux"))]
fn no_look() -> Result<(), String> {
    Ok(())
}
