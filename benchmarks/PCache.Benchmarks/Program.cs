using BenchmarkDotNet.Running;
using PCache.Benchmarks.Scaling;

if (args is ["curve", ..] or ["index"] or ["directory"])
{
    SizeCurve.Run(args);
    return;
}

// For example: dotnet run -c Release --project benchmarks/PCache.Benchmarks -- --filter '*StripeIndex*' --job short
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
