using Microsoft.Win32.SafeHandles;
using PCache.Core;
using PCache.Core.Files;
using PCache.Sqlite.Databases;

namespace PCache.Sqlite.Locks;

/// <summary>
/// SQLite's exclusive lock on a database's file without SQLite: the bytes that its own VFS locks, all of them, in the
/// way it does (the documented locking protocol). Keeps true: while it is there, no SQLite reads or writes the file.
/// It is lost, on Unix, when the process closes any other handle of the file: so that comes last.
/// </summary>
internal sealed class FileRangeGuard : IFileGuard
{
    private const long FirstByte = 0x40000000;
    private const int Bytes = 512; // pending, reserved, and the shared range
    private readonly FileStream _file;
    private readonly string _path;

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="PCacheInUseException">Another process uses it.</exception>
    public FileRangeGuard(string path)
    {
        _path = path;
        SafeFileHandle handle = PrivateFile.Open(path, FileAccess.ReadWrite, followLinks: false);
        _file = new FileStream(handle, FileAccess.ReadWrite, bufferSize: 0);
        try
        {
            if (OperatingSystem.IsLinux() || OperatingSystem.IsWindows())
            {
                _file.Lock(FirstByte, Bytes);
            }
            else
            {
                throw new PlatformNotSupportedException("SQLite's locks can be taken without SQLite on Linux and "
                    + "Windows only: open the database with the application.");
            }
        }
        catch (IOException e)
        {
            _file.Dispose();
            throw new PCacheInUseException(
                $"'{SafeText.Of(path)}' is in use by a program that has the database open.", e);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public bool HasMoved => FileFacts.IsNamed(_file.SafeFileHandle, _path) == false;

    public void Dispose() => _file.Dispose();
}
