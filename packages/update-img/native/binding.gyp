{
  'targets': [
    {
      'target_name': 'dbd_copy',
      'sources': ['scan.c', 'ring.c', 'reader.c', 'engine.c', 'extents.c', 'addon.cc'],
      'include_dirs': [
        "<!(node -p \"require('node-api-headers').include_dir\")",
        "<!(node -p \"require('node-addon-api').include_dir\")",
      ],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
      'cflags': ['-O3', '-Wall', '-Wextra', '-fPIC', '-pthread', '-fvisibility=hidden'],
      'cflags_c': ['-std=gnu11'],
      'cflags_cc': ['-std=gnu++17', '-fno-exceptions', '-fno-rtti'],
      'ldflags': ['-pthread', '-Wl,-z,relro,-z,now'],
    },
  ],
}
