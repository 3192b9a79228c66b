namespace PCache.Sqlite.Databases;

/// <summary>The errors of a registration. Keeps true: telling about an error never throws.</summary>
internal sealed class ErrorLog
{
    private PCacheVfsError? _last;

    public event EventHandler<PCacheVfsError>? Occurred;

    public PCacheVfsError? Last => Volatile.Read(ref _last);

    public void Add(string path, string operation, Exception exception)
    {
        var error = new PCacheVfsError(path, operation, exception);
        Volatile.Write(ref _last, error);
        try
        {
            Occurred?.Invoke(this, error);
        }
        catch (Exception)
        {
            // A handler's mistake must not become one of the database, or cross into native code.
        }
    }
}
