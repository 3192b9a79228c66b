namespace PCache.Core.Files;

/// <summary>
/// Which file it is, whatever it is called: two names with equal identities lead to one file. An inode number can be
/// given anew once its file is gone; while a handle is open it can't.
/// </summary>
/// <param name="Device">The device that the file system is on.</param>
/// <param name="Inode">The file's number there.</param>
internal readonly record struct FileIdentity(ulong Device, ulong Inode);
