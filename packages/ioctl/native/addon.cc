// SPDX-License-Identifier: MIT
// The system calls for JavaScript: every call runs in the thread pool and gives a promise. A
// failure rejects with an Error that has `errno` and `syscall`; names and advice are TypeScript's.
// An argument of the wrong kind throws a TypeError, one that does not fit a RangeError, both with
// `code` ERR_DATTO_ARGUMENT: nothing is ever wrapped.

#include <napi.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "layout.h"
#include "syscalls.h"

// What a vector calls that is asked for more than there can be. The libstdc++ of Debian 11 does not
// have it, and would not load the addon.
namespace std {
[[noreturn]] void __throw_bad_array_new_length() { abort(); }
}  // namespace std

namespace {

using Napi::CallbackInfo;
using Napi::Env;
using Napi::Value;

// Runs `work` in the thread pool; `give` makes the promise's value of what it left in `state`.
template <typename State>
class Call : public Napi::AsyncWorker {
 public:
  using Work = std::function<dbd_result(State&)>;
  using Give = std::function<Value(Napi::Env, const State&)>;
  // Adds to the error what `state` tells of it.
  using Blame = std::function<void(Napi::Error&, const State&)>;

  Call(Napi::Env env, State state, Work work, Give give, Blame blame)
      : AsyncWorker(env, "dbd_ioctl"),
        deferred_(Napi::Promise::Deferred::New(env)),
        state_(std::move(state)),
        work_(std::move(work)),
        give_(std::move(give)),
        blame_(std::move(blame)) {}

  Napi::Promise Start() {
    Napi::Promise promise = deferred_.Promise();
    Queue();
    return promise;
  }

  void Execute() override { result_ = work_(state_); }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    if (result_.err == 0) {
      deferred_.Resolve(give_(Env(), state_));
      return;
    }
    Napi::Error error = Napi::Error::New(
        Env(), std::string(result_.syscall) + ": " + std::strerror(result_.err));
    error.Set("errno", Napi::Number::New(Env(), result_.err));
    error.Set("syscall", Napi::String::New(Env(), result_.syscall));
    if (result_.reason[0] != 0) error.Set("reason", Napi::String::New(Env(), result_.reason));
    if (blame_) blame_(error, state_);
    deferred_.Reject(error.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  State state_;
  Work work_;
  Give give_;
  Blame blame_;
  dbd_result result_{0, "", ""};
};

template <typename State>
Value Start(Env env, State state, typename Call<State>::Work work,
            typename Call<State>::Give give, typename Call<State>::Blame blame = nullptr) {
  return (new Call<State>(env, std::move(state), std::move(work), std::move(give),
                          std::move(blame)))
      ->Start();
}

// One device of a group.
struct Member {
  datto_group_member params{};
  std::string bdev;
  std::string cow;
};

// Reads a call's arguments in order. After the first that is wrong an exception is pending, `ok()`
// is false, and the rest reads as zero.
class Arguments {
 public:
  explicit Arguments(const CallbackInfo& info) : info_(info) {}

  bool ok() const { return ok_; }

  std::string Path() { return ToPath(Next()); }

  uint64_t U64() { return ToU64(Next()); }

  int64_t I64() {
    Value value = Next();
    if (!value.IsBigInt()) return Fail<Napi::TypeError>("a bigint"), 0;
    bool lossless = false;
    int64_t number = value.As<Napi::BigInt>().Int64Value(&lossless);
    if (!lossless) Fail<Napi::RangeError>("a 64-bit integer");
    return number;
  }

  uint32_t U32() { return Integer<uint32_t>(Next(), "a 32-bit unsigned integer"); }

  int32_t I32() { return Integer<int32_t>(Next(), "a 32-bit integer"); }

  std::vector<Member> Members() {
    Value value = Next();
    std::vector<Member> members;
    if (!value.IsArray()) return Fail<Napi::TypeError>("an array"), members;
    Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; ok_ && i < array.Length(); i++) {
      Value element = array.Get(i);
      if (!element.IsObject()) return Fail<Napi::TypeError>("an array of members"), members;
      Napi::Object object = element.As<Napi::Object>();
      Member member;
      member.bdev = ToPath(object.Get("bdev"));
      member.cow = ToPath(object.Get("cow"));
      member.params.fallocated_space = ToU64(object.Get("mib"));
      member.params.cache_size = ToU64(object.Get("cache"));
      member.params.minor = Integer<uint32_t>(object.Get("minor"), "a 32-bit unsigned integer");
      members.push_back(std::move(member));
    }
    return members;
  }

 private:
  Value Next() { return info_[at_++]; }

  std::string ToPath(Value value) {
    if (!value.IsString()) return Fail<Napi::TypeError>("a path"), std::string();
    std::string path = value.As<Napi::String>().Utf8Value();
    if (path.find('\0') != std::string::npos || path.size() >= DATTO_PATH_SIZE) {
      Fail<Napi::RangeError>("a path without NUL of at most 4095 bytes");
    }
    return path;
  }

  uint64_t ToU64(Value value) {
    if (!value.IsBigInt()) return Fail<Napi::TypeError>("a bigint"), 0;
    bool lossless = false;
    uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (!lossless) Fail<Napi::RangeError>("a 64-bit unsigned integer");
    return number;
  }

  template <typename T>
  T Integer(Value value, const char* expected) {
    if (!value.IsNumber()) return Fail<Napi::TypeError>("a number"), 0;
    double number = value.As<Napi::Number>().DoubleValue();
    // The comparison is false for NaN; the cast is defined inside the range only.
    if (!(number >= std::numeric_limits<T>::min() && number <= std::numeric_limits<T>::max()) ||
        number != static_cast<double>(static_cast<T>(number))) {
      return Fail<Napi::RangeError>(expected), 0;
    }
    return static_cast<T>(number);
  }

  template <typename E>
  void Fail(const char* expected) {
    if (!ok_) return;
    ok_ = false;
    E error = E::New(info_.Env(),
                     "argument " + std::to_string(at_) + " must be " + std::string(expected));
    error.Set("code", Napi::String::New(info_.Env(), "ERR_DATTO_ARGUMENT"));
    error.ThrowAsJavaScriptException();
  }

  const CallbackInfo& info_;
  size_t at_ = 0;
  bool ok_ = true;
};

Value Nothing(Env env) { return env.Undefined(); }

// An ioctl whose struct holds pointers to two paths, which live beside it until the call is over.
template <typename Params>
struct WithPaths {
  Params params{};
  std::string bdev;
  std::string cow;
};

template <typename Params>
Value Control(Env env, unsigned long request, Params params) {
  return Start<Params>(
      env, params, [request](Params& p) { return dbd_control(request, &p); },
      [](Env e, const Params&) { return Nothing(e); });
}

Value SetupSnap(const CallbackInfo& info) {
  Arguments arguments(info);
  WithPaths<setup_params> state;
  state.bdev = arguments.Path();
  state.cow = arguments.Path();
  state.params.fallocated_space = arguments.U64();
  state.params.cache_size = arguments.U64();
  state.params.minor = arguments.U32();
  if (!arguments.ok()) return Value();
  return Start<WithPaths<setup_params>>(
      info.Env(), std::move(state),
      [](WithPaths<setup_params>& s) {
        s.params.bdev = s.bdev.data();
        s.params.cow = s.cow.data();
        return dbd_control(IOCTL_SETUP_SNAP, &s.params);
      },
      [](Env env, const WithPaths<setup_params>&) { return Nothing(env); });
}

template <unsigned long Request>
Value Reload(const CallbackInfo& info) {
  Arguments arguments(info);
  WithPaths<reload_params> state;
  state.bdev = arguments.Path();
  state.cow = arguments.Path();
  state.params.cache_size = arguments.U64();
  state.params.minor = arguments.U32();
  if (!arguments.ok()) return Value();
  return Start<WithPaths<reload_params>>(
      info.Env(), std::move(state),
      [](WithPaths<reload_params>& s) {
        s.params.bdev = s.bdev.data();
        s.params.cow = s.cow.data();
        return dbd_control(Request, &s.params);
      },
      [](Env env, const WithPaths<reload_params>&) { return Nothing(env); });
}

template <unsigned long Request>
Value OnMinor(const CallbackInfo& info) {
  Arguments arguments(info);
  uint32_t minor = arguments.U32();
  return arguments.ok() ? Control<uint32_t>(info.Env(), Request, minor) : Value();
}

Value TransitionSnap(const CallbackInfo& info) {
  Arguments arguments(info);
  WithPaths<transition_snap_params> state;
  state.cow = arguments.Path();
  state.params.fallocated_space = arguments.U64();
  state.params.minor = arguments.U32();
  if (!arguments.ok()) return Value();
  return Start<WithPaths<transition_snap_params>>(
      info.Env(), std::move(state),
      [](WithPaths<transition_snap_params>& s) {
        s.params.cow = s.cow.data();
        return dbd_control(IOCTL_TRANSITION_SNAP, &s.params);
      },
      [](Env env, const WithPaths<transition_snap_params>&) { return Nothing(env); });
}

Value Reconfigure(const CallbackInfo& info) {
  Arguments arguments(info);
  reconfigure_params params{};
  params.cache_size = arguments.U64();
  params.minor = arguments.U32();
  return arguments.ok() ? Control(info.Env(), IOCTL_RECONFIGURE, params) : Value();
}

Value ExpandCowFile(const CallbackInfo& info) {
  Arguments arguments(info);
  expand_cow_file_params params{};
  params.size = arguments.U64();
  params.minor = arguments.U32();
  return arguments.ok() ? Control(info.Env(), IOCTL_EXPAND_COW_FILE, params) : Value();
}

Value ReconfigureAutoExpand(const CallbackInfo& info) {
  Arguments arguments(info);
  reconfigure_auto_expand_params params{};
  params.step_size = arguments.U64();
  params.reserved_space = arguments.U64();
  params.minor = arguments.U32();
  return arguments.ok() ? Control(info.Env(), IOCTL_RECONFIGURE_AUTO_EXPAND, params) : Value();
}

Value GetFree(const CallbackInfo& info) {
  return Start<int>(
      info.Env(), 0, [](int& minor) { return dbd_control(IOCTL_GET_FREE, &minor); },
      [](Env env, const int& minor) -> Value { return Napi::Number::New(env, minor); });
}

Value GiveInfo(Env env, const dattobd_info& info) {
  const auto u64 = [env](uint64_t number) { return Napi::BigInt::New(env, number); };
  const auto text = [env](const char* bytes) {
    return Napi::String::New(env, bytes, strnlen(bytes, DATTO_PATH_SIZE));
  };
  Napi::Uint8Array uuid = Napi::Uint8Array::New(env, DATTO_UUID_SIZE);
  std::memcpy(uuid.Data(), info.uuid, DATTO_UUID_SIZE);
  Napi::Object object = Napi::Object::New(env);
  object.Set("minor", Napi::Number::New(env, info.minor));
  object.Set("state", u64(info.state));
  object.Set("error", Napi::Number::New(env, info.error));
  object.Set("cacheSize", u64(info.cache_size));
  object.Set("fallocSize", u64(info.falloc_size));
  object.Set("seqid", u64(info.seqid));
  object.Set("uuid", uuid);
  object.Set("cow", text(info.cow));
  object.Set("bdev", text(info.bdev));
  object.Set("version", u64(info.version));
  object.Set("nrChangedBlocks", u64(info.nr_changed_blocks));
  return object;
}

Value Info(const CallbackInfo& info) {
  Arguments arguments(info);
  // On the heap: the struct has 8 KiB, and the state is moved about.
  auto state = std::make_unique<dattobd_info>();
  state->minor = arguments.U32();
  if (!arguments.ok()) return Value();
  using State = std::unique_ptr<dattobd_info>;
  return Start<State>(
      info.Env(), std::move(state),
      [](State& s) { return dbd_control(IOCTL_DATTOBD_INFO, s.get()); },
      [](Env env, const State& s) { return GiveInfo(env, *s); });
}

Value ForceTransitionInc(const CallbackInfo& info) {
  Arguments arguments(info);
  datto_force_inc params{};
  params.size = sizeof(params);
  params.minor = arguments.U32();
  return arguments.ok() ? Control(info.Env(), IOCTL_FORCE_TRANSITION_INC, params) : Value();
}

Value SetupGroup(const CallbackInfo& info) {
  struct State {
    std::vector<Member> members;
    uint32_t failed = 0;
  };
  Arguments arguments(info);
  State state;
  state.members = arguments.Members();
  if (!arguments.ok()) return Value();
  return Start<State>(
      info.Env(), std::move(state),
      [](State& s) {
        std::vector<datto_group_member> members;
        for (Member& member : s.members) {
          member.params.bdev = reinterpret_cast<uintptr_t>(member.bdev.data());
          member.params.cow = reinterpret_cast<uintptr_t>(member.cow.data());
          members.push_back(member.params);
        }
        datto_setup_group params{};
        params.size = sizeof(params);
        params.nr = static_cast<uint32_t>(members.size());
        // An older driver leaves it: then it is due to none of the members.
        params.failed = params.nr;
        params.members = reinterpret_cast<uintptr_t>(members.data());
        dbd_result result = dbd_control(IOCTL_SETUP_GROUP, &params);
        s.failed = params.failed;
        return result;
      },
      [](Env env, const State&) { return Nothing(env); },
      [](Napi::Error& error, const State& s) {
        if (s.failed >= s.members.size()) return;
        error.Set("member", Napi::Number::New(error.Env(), s.failed));
      });
}

Value Failure(const CallbackInfo& info) {
  Arguments arguments(info);
  datto_failure params{};
  params.size = sizeof(params);
  params.minor = arguments.U32();
  if (!arguments.ok()) return Value();
  return Start<datto_failure>(
      info.Env(), params, [](datto_failure& p) { return dbd_control(IOCTL_FAILURE, &p); },
      [](Env env, const datto_failure& p) -> Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("error", Napi::Number::New(env, p.error));
        object.Set("block", Napi::BigInt::New(env, static_cast<uint64_t>(p.block)));
        object.Set("reason",
                   Napi::String::New(env, p.reason, strnlen(p.reason, sizeof(p.reason))));
        return object;
      });
}

Value DeviceSize(const CallbackInfo& info) {
  struct State {
    std::string path;
    uint64_t bytes = 0;
  };
  Arguments arguments(info);
  State state;
  state.path = arguments.Path();
  if (!arguments.ok()) return Value();
  return Start<State>(
      info.Env(), std::move(state),
      [](State& s) { return dbd_device_size(s.path.c_str(), &s.bytes); },
      [](Env env, const State& s) -> Value { return Napi::BigInt::New(env, s.bytes); });
}

Value LogicalBlockSize(const CallbackInfo& info) {
  struct State {
    std::string path;
    uint32_t bytes = 0;
  };
  Arguments arguments(info);
  State state;
  state.path = arguments.Path();
  if (!arguments.ok()) return Value();
  return Start<State>(
      info.Env(), std::move(state),
      [](State& s) { return dbd_logical_block_size(s.path.c_str(), &s.bytes); },
      [](Env env, const State& s) -> Value { return Napi::Number::New(env, s.bytes); });
}

template <dbd_result (*Seek)(int, int64_t, int64_t*)>
Value SeekTo(const CallbackInfo& info) {
  struct State {
    int fd;
    int64_t offset;
    int64_t found;
  };
  Arguments arguments(info);
  int fd = arguments.I32();
  int64_t offset = arguments.I64();
  if (!arguments.ok()) return Value();
  return Start<State>(
      info.Env(), State{fd, offset, 0}, [](State& s) { return Seek(s.fd, s.offset, &s.found); },
      [](Env env, const State& s) -> Value { return Napi::BigInt::New(env, s.found); });
}

Value Fadvise(const CallbackInfo& info) {
  struct State {
    int fd;
    int64_t offset;
    int64_t length;
    int advice;
  };
  Arguments arguments(info);
  int fd = arguments.I32();
  int64_t offset = arguments.I64();
  int64_t length = arguments.I64();
  int advice = arguments.I32();
  if (!arguments.ok()) return Value();
  return Start<State>(
      info.Env(), State{fd, offset, length, advice},
      [](State& s) { return dbd_fadvise(s.fd, s.offset, s.length, s.advice); },
      [](Env env, const State&) { return Nothing(env); });
}

Napi::Object Init(Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Value (*function)(const CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("setupSnap", SetupSnap);
  add("reloadSnap", Reload<IOCTL_RELOAD_SNAP>);
  add("reloadInc", Reload<IOCTL_RELOAD_INC>);
  add("destroy", OnMinor<IOCTL_DESTROY>);
  add("transitionInc", OnMinor<IOCTL_TRANSITION_INC>);
  add("transitionSnap", TransitionSnap);
  add("reconfigure", Reconfigure);
  add("info", Info);
  add("getFree", GetFree);
  add("expandCowFile", ExpandCowFile);
  add("reconfigureAutoExpand", ReconfigureAutoExpand);
  add("forceTransitionInc", ForceTransitionInc);
  add("setupGroup", SetupGroup);
  add("failure", Failure);
  add("deviceSize", DeviceSize);
  add("logicalBlockSize", LogicalBlockSize);
  add("seekData", SeekTo<dbd_seek_data>);
  add("seekHole", SeekTo<dbd_seek_hole>);
  add("fadvise", Fadvise);
  return exports;
}

NODE_API_MODULE(dbd_ioctl, Init)

}  // namespace
