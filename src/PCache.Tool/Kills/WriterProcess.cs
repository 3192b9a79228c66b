// Keeps true: every acknowledgement that the writer made before it died has been taken when Kill returns (its pipe is
// read to the end); a writer that ends on its own is an error, never taken for a kill; no writer outlives this
// object, nor this process (the writer watches its standard input).
using System.Diagnostics;
using System.Globalization;

namespace PCache.Tool.Kills;

/// <summary>A child process that writes through the cache until it is killed.</summary>
internal sealed class WriterProcess : IDisposable
{
    private readonly Process _process;
    private readonly KillVerifier _verifier;
    private readonly Thread _reader;
    private readonly Task<string> _errors;
    private readonly ManualResetEventSlim _ready = new();
    private Exception? _readError;
    private long _acknowledgements;

    private WriterProcess(Process process, KillVerifier verifier)
    {
        _process = process;
        _verifier = verifier;
        _errors = process.StandardError.ReadToEndAsync();
        _reader = new Thread(ReadAcknowledgements) { IsBackground = true, Name = "pcache acknowledgements" };
        _reader.Start();
    }

    /// <summary>Acknowledgement lines so far.</summary>
    public long Acknowledgements => Interlocked.Read(ref _acknowledgements);

    /// <summary>Starts a writer whose ids begin at the verifier's next one.</summary>
    public static WriterProcess Start(string command, WriterSettings settings, KillVerifier verifier)
    {
        uint firstId = verifier.BeginWriter();
        return Start(settings.ToArguments(command, firstId), verifier);
    }

    /// <summary>Starts a writer whose acknowledgements, but for the first one, go elsewhere.</summary>
    public static WriterProcess Start(IReadOnlyList<string> arguments, KillVerifier verifier)
    {
        ProcessStartInfo info = SelfProcess.CreateStartInfo(arguments);
        Process process = Process.Start(info) ?? throw ToolException.Refused("The writer process couldn't be started.");
        return new WriterProcess(process, verifier);
    }

    /// <summary>Waits until the writer has opened the cache; false: it ended before, or the time ran out.</summary>
    public bool WaitReady(TimeSpan timeout, CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        while (!_ready.Wait(TimeSpan.FromMilliseconds(50), cancellation))
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(start) > timeout)
            {
                return _ready.IsSet;
            }
        }

        return true;
    }

    /// <summary>Kills the writer (SIGKILL), and returns when all that it acknowledged has been taken.</summary>
    /// <exception cref="ToolException">The writer had ended on its own.</exception>
    public void Kill()
    {
        bool endedAlone = _process.HasExited;
        if (!endedAlone)
        {
            _process.Kill();
        }

        _process.WaitForExit();
        _reader.Join();
        string errors = _errors.GetAwaiter().GetResult();
        if (_readError is not null)
        {
            throw ToolException.Damage(ErrorReport.OneLine(_readError.Message), _readError);
        }

        // 128 + SIGKILL; Windows reports what TerminateProcess was given.
        if (endedAlone || _process.ExitCode is not (137 or -1))
        {
            int code = _process.ExitCode == ExitCode.Damage ? ExitCode.Damage : ExitCode.Refused;
            throw new ToolException(code, string.Create(
                CultureInfo.InvariantCulture, $"The writer process ended on its own with exit code "
                    + $"{_process.ExitCode}: {ErrorReport.OneLine(errors)}"));
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _reader.Join();
        _process.Dispose();
        _ready.Dispose();
    }

    private void ReadAcknowledgements()
    {
        try
        {
            foreach (Ack ack in AckLog.Read(_process.StandardOutput.BaseStream))
            {
                _verifier.Acknowledge(ack);
                Interlocked.Increment(ref _acknowledgements);
                if (ack.Kind == AckKind.Ready)
                {
                    _ready.Set();
                }
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException)
        {
            _readError = exception;
        }
    }
}
