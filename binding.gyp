{
  'targets': [
    {
      'target_name': 'sluice',
      'sources': [
        'native/addon.cc',
        'native/abi.cc',
        'native/args.cc',
        'native/clsact.cc',
        'native/constants.cc',
        'native/errors.cc',
        'native/ethtool.cc',
        'native/hits.cc',
        'native/link.cc',
        'native/lock.cc',
        'native/map.cc',
        'native/netlink.cc',
        'native/netns.cc',
        'native/object.cc',
        'native/probe.cc',
        'native/program.cc',
        'native/region.cc',
        'native/ringbuf.cc',
        'native/run.cc',
        'native/wire.cc',
      ],
      'dependencies': [
        '<!(node -p "require(\'node-addon-api\').targets"):node_addon_api_except',
      ],
      'include_dirs': ['build'],
      'defines': [
        'NAPI_VERSION=8',
        # A worker thread may be terminated while a call is on its way back; there is nobody left to throw to then.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags': ['-fvisibility=hidden', '-Wall', '-Wextra', '<!@(pkg-config --cflags libbpf)'],
      'cflags_cc': ['-std=c++17', '-fvisibility-inlines-hidden', '-ffunction-sections', '-fdata-sections'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-rtti'],
      'libraries': ['<!@(pkg-config --libs libbpf)'],
      'ldflags': [
        '-Wl,--exclude-libs,ALL',
        '-Wl,--gc-sections',
        '-Wl,-z,relro,-z,now',
        # The old tag also serves the libraries of libraries: a libelf beside a libbpf beside the addon is found.
        '-Wl,--disable-new-dtags',
        "-Wl,-rpath,'$$ORIGIN'",
      ],
    },
  ],
}
