//! What Redis does in one step.

use redis::{Cmd, Script};

/// Sets the value unless as new a one is there, and ends the claim if it is the caller's. Answers
/// whether it was set.
///
/// Numbers are compared byte by byte: those of Lua are floating point, and its order of strings is
/// that of the server's language. Whatever else lies under the name is replaced.
const PUT: &str = r"
local there = redis.pcall('GETRANGE', KEYS[1], 0, 19)
local newer = 1
if type(there) == 'string' and #there == 20 and there:sub(1, 4) == ARGV[1]:sub(1, 4) then
  newer = 0
  for i = 5, 20 do
    local old, new = there:byte(i), ARGV[1]:byte(i)
    if old ~= new then
      if old < new then newer = 1 end
      break
    end
  end
end
if newer == 1 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if redis.pcall('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return newer
";

/// Removes the value if it is still the one that was found damaged: its version, which nobody can
/// trust, would refuse others.
const DROP: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
";

/// A script by its hash, or whole for a server that does not know it yet.
pub(crate) struct Call {
    pub(crate) by_hash: Cmd,
    pub(crate) whole: Cmd,
}

pub(crate) struct Scripts {
    put: Script,
    drop: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self { put: Script::new(PUT), drop: Script::new(DROP) }
    }

    pub(crate) fn put(&self, names: [&str; 2], bytes: &[u8], ttl_ms: u64, caller: &[u8]) -> Call {
        let ttl = ttl_ms.to_string();
        call(&self.put, PUT, &names, &[bytes, ttl.as_bytes(), caller])
    }

    pub(crate) fn drop(&self, name: &str, damaged: &[u8]) -> Call {
        call(&self.drop, DROP, &[name], &[damaged])
    }
}

fn call(script: &Script, text: &str, names: &[&str], arguments: &[&[u8]]) -> Call {
    let command = |verb: &str, script: &str| {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(names.len()).arg(names).arg(arguments);
        command
    };
    Call { by_hash: command("EVALSHA", script.get_hash()), whole: command("EVAL", text) }
}
