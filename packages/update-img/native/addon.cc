// SPDX-License-Identifier: MIT
// The copy engine for JavaScript: a class `Copy` whose run() blocks a thread of the pool and gives a
// promise, and two small calls. src/binding.ts has the types and is the only caller: it checks what it
// gives, and what is checked here again is what would hurt memory.

#include <napi.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine.h"
#include "extents.h"
#include "scan.h"

namespace {

constexpr double kMaxBytes = 9007199254740991.0;  // 2^53-1

class Copy : public Napi::ObjectWrap<Copy> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Copy",
                       {
                           InstanceMethod<&Copy::Run>("run"),
                           InstanceMethod<&Copy::Stop>("stop"),
                           InstanceMethod<&Copy::Progress>("progress"),
                           InstanceMethod<&Copy::Faults>("faults"),
                       });
  }

  explicit Copy(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    Napi::Env env = info.Env();
    if (!info[0].IsObject()) {
      Refuse(env, "options");
      return;
    }
    Napi::Object object = info[0].As<Napi::Object>();
    dbd_copy_options options{};
    std::vector<int> maps;
    options.mode = static_cast<dbd_mode>(Number(object, "mode", 2));
    options.zeros = static_cast<dbd_zeros>(Number(object, "zeros", 2));
    options.from = static_cast<int>(Number(object, "from", INT32_MAX));
    options.to = static_cast<int>(Number(object, "to", INT32_MAX));
    options.device_bytes = Number(object, "deviceBytes", kMaxBytes);
    options.first_block = Number(object, "firstBlock", kMaxBytes);
    options.all_from = Number(object, "allFrom", kMaxBytes);
    options.bytes_per_second = Number(object, "bytesPerSecond", kMaxBytes);
    if (options.device_bytes == 0) Refuse(env, "deviceBytes");
    if (env.IsExceptionPending()) return;
    Napi::Value list = object.Get("maps");
    if (!list.IsArray()) {
      Refuse(env, "maps");
      return;
    }
    Napi::Array array = list.As<Napi::Array>();
    if (array.Length() > DBD_MAX_MAPS) {
      Refuse(env, "maps");
      return;
    }
    for (uint32_t i = 0; i < array.Length(); i++) {
      maps.push_back(static_cast<int>(Whole(array.Get(i), "maps", INT32_MAX)));
      if (env.IsExceptionPending()) return;
    }
    std::vector<dbd_block_run> ignored;
    Napi::Value pairs = object.Get("ignored");
    if (!pairs.IsArray() || pairs.As<Napi::Array>().Length() % 2 != 0) {
      Refuse(env, "ignored");
      return;
    }
    Napi::Array numbers = pairs.As<Napi::Array>();
    for (uint32_t i = 0; i < numbers.Length(); i += 2) {
      double start = Whole(numbers.Get(i), "ignored", kMaxBytes);
      double count = env.IsExceptionPending() ? 0 : Whole(numbers.Get(i + 1), "ignored", kMaxBytes);
      if (env.IsExceptionPending()) return;
      ignored.push_back({static_cast<uint64_t>(start), static_cast<uint64_t>(count)});
    }
    options.ignored = ignored.data();
    options.nr_ignored = ignored.size();
    options.maps = maps.data();
    options.nr_maps = maps.size();
    copy_ = dbd_copy_new(&options);
    if (copy_ == nullptr) Napi::Error::New(env, "out of memory").ThrowAsJavaScriptException();
  }

  ~Copy() override { dbd_copy_free(copy_); }

 private:
  // Holds the object, and so the engine, until the run is over.
  class Worker : public Napi::AsyncWorker {
   public:
    Worker(Napi::Env env, Copy* owner, uint32_t milliseconds)
        : AsyncWorker(env, "dbd_copy"),
          deferred_(Napi::Promise::Deferred::New(env)),
          owner_(owner),
          hold_(Napi::Persistent(owner->Value())),
          milliseconds_(milliseconds) {}

    Napi::Promise Promise() const { return deferred_.Promise(); }
    void Execute() override { end_ = dbd_copy_run(owner_->copy_, milliseconds_); }
    void OnOK() override {
      owner_->running_ = false;
      Napi::HandleScope scope(Env());
      deferred_.Resolve(Napi::Number::New(Env(), end_));
    }

   private:
    Napi::Promise::Deferred deferred_;
    Copy* owner_;
    Napi::ObjectReference hold_;
    uint32_t milliseconds_;
    dbd_end end_ = DBD_FAILED;
  };

  Napi::Value Run(const Napi::CallbackInfo& info) {
    double milliseconds = Whole(info[0], "milliseconds", UINT32_MAX);
    if (running_) Refuse(info.Env(), "call: it runs already");
    if (info.Env().IsExceptionPending()) return info.Env().Undefined();
    running_ = true;
    auto* worker = new Worker(info.Env(), this, static_cast<uint32_t>(milliseconds));
    Napi::Promise promise = worker->Promise();
    worker->Queue();
    return promise;
  }

  Napi::Value Stop(const Napi::CallbackInfo& info) {
    dbd_copy_stop(copy_);
    return info.Env().Undefined();
  }

  Napi::Value Progress(const Napi::CallbackInfo& info) {
    struct dbd_copy_progress progress = dbd_copy_progress(copy_);
    Napi::Object object = Napi::Object::New(info.Env());
    const auto set = [&](const char* name, uint64_t value) {
      object.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value)));
    };
    set("position", progress.position);
    set("blocks", progress.blocks);
    set("bytes", progress.bytes);
    set("zeroBytes", progress.zero_bytes);
    set("runs", progress.runs);
    return object;
  }

  Napi::Value Faults(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    if (running_) return Refuse(env, "call: it runs"), env.Undefined();
    unsigned int count = 0;
    const dbd_fault* faults = dbd_copy_faults(copy_, &count);
    Napi::Array array = Napi::Array::New(env, count);
    for (unsigned int i = 0; i < count; i++) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("kind", Napi::Number::New(env, faults[i].kind));
      object.Set("errno", Napi::Number::New(env, faults[i].err));
      object.Set("map", Napi::Number::New(env, faults[i].map));
      object.Set("offset", Napi::Number::New(env, static_cast<double>(faults[i].offset)));
      object.Set("length", Napi::Number::New(env, static_cast<double>(faults[i].length)));
      array.Set(i, object);
    }
    return array;
  }

  static void Refuse(Napi::Env env, const char* what) {
    if (env.IsExceptionPending()) return;
    Napi::TypeError::New(env, std::string("wrong ") + what).ThrowAsJavaScriptException();
  }

  // An integer from 0 to max; 0 with an exception pending otherwise.
  static double Whole(Napi::Value value, const char* what, double max) {
    double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (number >= 0 && number <= max && number == std::floor(number)) return number;
    Refuse(value.Env(), what);
    return 0;
  }

  // Nothing may be asked of JavaScript while an exception is pending.
  static uint64_t Number(Napi::Object object, const char* name, double max) {
    if (object.Env().IsExceptionPending()) return 0;
    return static_cast<uint64_t>(Whole(object.Get(name), name, max));
  }

  struct dbd_copy* copy_ = nullptr;
  bool running_ = false;
};

Napi::Value Lock(const Napi::CallbackInfo& info) {
  int err = info[0].IsNumber() ? dbd_lock(info[0].As<Napi::Number>().Int32Value()) : EBADF;
  return Napi::Number::New(info.Env(), err);
}

Napi::Value Forget(const Napi::CallbackInfo& info) {
  if (info[0].IsNumber()) dbd_forget(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

// Start and count of each run in turn; an errno value when there are none to tell.
Napi::Value Extents(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  dbd_block_run* runs = nullptr;
  unsigned int count = 0;
  int fd = info[0].IsNumber() ? info[0].As<Napi::Number>().Int32Value() : -1;
  int err = dbd_extents(fd, &runs, &count);
  if (err != 0) return Napi::Number::New(env, err);
  Napi::Array array = Napi::Array::New(env, size_t{count} * 2);
  for (unsigned int i = 0; i < count; i++) {
    array.Set(2 * i, Napi::Number::New(env, static_cast<double>(runs[i].start)));
    array.Set(2 * i + 1, Napi::Number::New(env, static_cast<double>(runs[i].count)));
  }
  free(runs);
  return array;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Copy", Copy::Define(env));
  exports.Set("lock", Napi::Function::New(env, Lock, "lock"));
  exports.Set("extents", Napi::Function::New(env, Extents, "extents"));
  exports.Set("forget", Napi::Function::New(env, Forget, "forget"));
  return exports;
}

NODE_API_MODULE(dbd_copy, Init)

}  // namespace
