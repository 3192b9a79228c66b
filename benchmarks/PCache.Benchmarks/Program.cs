using BenchmarkDotNet.Running;
using PCache.Benchmarks.Scaling;
using PCache.Benchmarks.Sqlite;

if (args is ["curve", ..] or ["index"] or ["directory"])
{
    SizeCurve.Run(args);
    return;
}

if (args is ["sqlite", ..])
{
    SqliteComparison.Run(args[1..]);
    return;
}

// For example: dotnet run -c Release --project benchmarks/PCache.Benchmarks -- --filter '*StripeIndex*' --job short
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
