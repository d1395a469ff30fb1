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

/// Puts a hash in the place of an older one, as a whole and with its end. What has no version is older.
/// Versions are decimal and may be beyond what Lua's numbers hold: the longer one is the greater, of two
/// alike the one whose digits are.
const COPY: &str = r"
local there = redis.pcall('HGET', KEYS[1], 'version')
local version = ARGV[3]
if type(there) == 'string' and there:match('^%d+$') then
  if #there > #version then return 0 end
  if #there == #version then
    local newer = false
    for i = 1, #version do
      local old, new = there:byte(i), version:byte(i)
      if old > new then return 0 end
      if old < new then newer = true break end
    end
    if not newer then return 0 end
  end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
";

/// A script by its hash, or whole for a server that does not know it yet.
pub(crate) struct Call {
    pub(crate) by_hash: Cmd,
    pub(crate) whole: Cmd,
}

pub(crate) struct Scripts {
    put: Script,
    drop: Script,
    copy: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self { put: Script::new(PUT), drop: Script::new(DROP), copy: Script::new(COPY) }
    }

    pub(crate) fn put(&self, names: [&str; 2], bytes: &[u8], ttl_ms: u64, caller: &[u8]) -> Call {
        let ttl = ttl_ms.to_string();
        call(&self.put, PUT, &names, &[bytes, ttl.as_bytes(), caller])
    }

    /// The version is the first of the fields.
    pub(crate) fn copy(&self, name: &str, lifetime_ms: u64, fields: &[(&str, &str)]) -> Call {
        let lifetime = lifetime_ms.to_string();
        let mut arguments: Vec<&[u8]> = vec![lifetime.as_bytes()];
        for (field, value) in fields {
            arguments.extend([field.as_bytes(), value.as_bytes()]);
        }
        call(&self.copy, COPY, &[name], &arguments)
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
