// Links over what their users run: a message bus with a simulated BlueZ, a real pcscd with a virtual reader. One file
// after the other, so that there is at most one pcscd. Not checked here: any radio, any reader, any camera.
export default {
  needs: [{ program: 'dbus-daemon', apt: 'dbus-daemon' }],
  run: ({ runUvuFolder }) => runUvuFolder(1),
};
