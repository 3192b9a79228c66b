// Keeps true: nothing is written unless standard error is a terminal; at most some ten updates a second; the line is
// wiped at the end.
using System.Diagnostics;
using System.Globalization;

namespace PCache.Tool.Shell;

/// <summary>A progress bar on a terminal.</summary>
internal sealed class ProgressBar(ToolContext context, string title, Func<long, string>? describeTotal = null)
    : IDisposable
{
    private const int Width = 30;
    private const int UpdateMilliseconds = 100;
    private readonly Lock _gate = new();
    private long _lastUpdate;
    private int _lineLength;

    /// <summary>Shows how much of the whole is done; any thread.</summary>
    public void Report(long doneBytes, long totalBytes)
    {
        if (!context.ShowProgress || totalBytes <= 0)
        {
            return;
        }

        lock (_gate)
        {
            if (_lastUpdate != 0 && Stopwatch.GetElapsedTime(_lastUpdate).TotalMilliseconds < UpdateMilliseconds)
            {
                return;
            }

            _lastUpdate = Stopwatch.GetTimestamp();
            double share = Math.Clamp((double)doneBytes / totalBytes, 0, 1);
            int filled = (int)(share * Width);
            string line = string.Create(
                CultureInfo.InvariantCulture,
                $"{title} [{new string('#', filled)}{new string('.', Width - filled)}] {share * 100,3:F0} % of "
                + $"{describeTotal?.Invoke(totalBytes) ?? SizeText.Rounded(totalBytes)}");
            context.Error.Write('\r' + line.PadRight(_lineLength));
            context.Error.Flush();
            _lineLength = line.Length;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_lineLength > 0)
            {
                context.Error.Write('\r' + new string(' ', _lineLength) + '\r');
                context.Error.Flush();
                _lineLength = 0;
            }
        }
    }
}
