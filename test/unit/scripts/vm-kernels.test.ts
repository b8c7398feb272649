const { orderModules } = jest.requireActual<{ orderModules: (dependencies: string, names: string[]) => string[] }>(
  '../../../scripts/lib/vm-kernels.js',
);

const MODULE_DEPENDENCIES = [
  'kernel/net/9p/9pnet.ko.xz:',
  'kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz',
  'kernel/drivers/virtio/virtio.ko.xz:',
  'kernel/drivers/virtio/virtio_ring.ko.xz: kernel/drivers/virtio/virtio.ko.xz',
  'kernel/drivers/virtio/virtio-pci.ko: kernel/drivers/virtio/virtio_ring.ko.xz kernel/drivers/virtio/virtio.ko.xz',
  '',
].join('\n');

test('a module comes after everything it needs, once', () => {
  expect(orderModules(MODULE_DEPENDENCIES, ['virtio_pci', '9pnet_virtio'])).toEqual([
    'kernel/drivers/virtio/virtio.ko.xz',
    'kernel/drivers/virtio/virtio_ring.ko.xz',
    'kernel/drivers/virtio/virtio-pci.ko',
    'kernel/net/9p/9pnet.ko.xz',
    'kernel/net/9p/9pnet_virtio.ko.xz',
  ]);
});

test('what the list does not know is built into the kernel', () => {
  expect(orderModules(MODULE_DEPENDENCIES, ['overlay'])).toEqual([]);
});
