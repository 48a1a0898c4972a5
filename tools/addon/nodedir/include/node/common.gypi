# node-gyp reads this file in place of the one that comes with Node's own headers; see build.mjs.
{
  'variables': { 'node_engine%': 'v8', 'openssl_fips%': '' },
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': { 'Release': {} },
  },
}
